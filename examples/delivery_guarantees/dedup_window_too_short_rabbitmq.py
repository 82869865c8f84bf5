"""A receiver that remembers too few ids, or ids of a wrong kind, takes a copy for new.

Watch order 1: the sender sends it again after order 10, and only one memory knows it.
"""

import sqlite3
import sys
from itertools import islice
from uuid import uuid4

import pika

CASES = (  # What is remembered, where the id stands, and how many are kept.
    ("the last 3 order numbers", lambda method, properties, body: body, 3),
    ("the last 10 order numbers", lambda method, properties, body: body, 10),
    ("100 ids, a new one for each attempt", lambda _, sent, body: sent.message_id, 100),
    ("100 numbers given by the broker", lambda got, _, body: got.delivery_tag, 100),
)


def send_orders(url, queue, numbers):
    """Send each order with its number, and with an id of this attempt."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True)
        for number in numbers:
            attempt = pika.BasicProperties(message_id=uuid4().hex)
            channel.basic_publish("", queue, str(number).encode(), attempt)


def is_new(db, id, window):
    """Remember `id`, forget all but the last `window`, and say if it was unknown."""
    with db:
        new = db.execute("INSERT OR IGNORE INTO seen (id) VALUES (?)", [id]).rowcount
        db.execute(
            "DELETE FROM seen WHERE n <= (SELECT max(n) FROM seen) - ?", [window]
        )
    return new == 1


def receive(url, queue, count, identify, window):
    """Receive `count` messages; return the numbers of the orders that took effect."""
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE seen (n INTEGER PRIMARY KEY AUTOINCREMENT, id UNIQUE)")
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        effects = []
        orders = channel.consume(queue, inactivity_timeout=20)
        for method, properties, body in islice(orders, count):
            if is_new(db, identify(method, properties, body), window):
                effects.append(int(body))
            channel.basic_ack(method.delivery_tag)
        return effects


def main(url="amqp://guest:guest@localhost:5672/", queue=f"orders-{uuid4().hex[:8]}"):
    for memory, identify, window in CASES:
        send_orders(url, queue, range(1, 11))
        send_orders(url, queue, [1])  # Nobody noted that order 1 was confirmed.
        effects = receive(url, queue, 11, identify, window)
        print(f"{memory}: effects of order 1: {effects.count(1)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A receiver that remembers too few ids, or ids of a wrong kind, takes a copy for new.

Watch order 1: the sender sends it again after order 10, and only one memory knows it.
"""

import sqlite3
import sys
from itertools import islice
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer

CASES = (  # What is remembered, where the id stands, and how many are kept.
    ("the last 3 order numbers", lambda record: record.value, 3),
    ("the last 10 order numbers", lambda record: record.value, 10),
    ("100 ids, a new one for each attempt", lambda record: record.headers[0][1], 100),
    ("100 numbers given by the broker", lambda record: record.offset, 100),
)


def send_orders(bootstrap, topic, numbers):
    """Send each order with its number, and with an id of this attempt."""
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for number in numbers:
            attempt = [("attempt", uuid4().bytes)]
            sent = producer.send(topic, str(number).encode(), headers=attempt)
            sent.get(timeout=10)


def is_new(db, id, window):
    """Remember `id`, forget all but the last `window`, and say if it was unknown."""
    with db:
        new = db.execute("INSERT OR IGNORE INTO seen (id) VALUES (?)", [id]).rowcount
        db.execute(
            "DELETE FROM seen WHERE n <= (SELECT max(n) FROM seen) - ?", [window]
        )
    return new == 1


def receive(bootstrap, topic, count, identify, window):
    """Receive `count` messages; return the numbers of the orders that took effect."""
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE seen (n INTEGER PRIMARY KEY AUTOINCREMENT, id UNIQUE)")
    with KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=20000,
    ) as consumer:
        orders = islice(consumer, count)
        return [int(o.value) for o in orders if is_new(db, identify(o), window)]


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    send_orders(bootstrap, topic, range(1, 11))
    send_orders(bootstrap, topic, [1])  # Nobody noted that order 1 was confirmed.
    for memory, identify, window in CASES:
        effects = receive(bootstrap, topic, 11, identify, window)
        print(f"{memory}: effects of order 1: {effects.count(1)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

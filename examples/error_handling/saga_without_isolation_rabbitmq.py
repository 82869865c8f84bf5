"""A saga has no isolation: others see what it has done and may undo later.

Watch order 2: it is turned away for a piece that is back in stock at the end.
"""

import sqlite3
import sys
from uuid import uuid4

import pika

TABLES = "CREATE TABLE stock (free); INSERT INTO stock VALUES (1)"


def reserve(base, number):
    """Take a piece at once; whoever comes next sees only that it is gone."""
    taken = base.execute("UPDATE stock SET free = free - 1 WHERE free > 0")
    return [f"order {number}: {'reserved' if taken.rowcount else 'sold out'}"]


def release(base, number):
    """Compensate: put the piece back."""
    base.execute("UPDATE stock SET free = free + 1")
    return [f"order {number}: released"]


def sell(base, number):
    """End the saga of an order that is shipped: there is nothing more to do."""
    return [f"order {number}: sold"]


WORK = {"reserve": reserve, "release": release, "sell": sell}


def handle(base, command):
    """Do a command such as "reserve 1" in one transaction; return the answers."""
    work, number = command.split()
    with base:
        return WORK[work](base, int(number))


def serve(url, queue, base, commands):
    """Send commands to the inventory service, let it do them, and yield its answers."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True)
        for command in commands:
            channel.basic_publish("", queue, command)
        for method, _, body in channel.consume(queue, inactivity_timeout=30):
            yield from handle(base, body.decode())
            channel.basic_ack(method.delivery_tag)
            if method.delivery_tag == len(commands):
                return


def main(url="amqp://guest:guest@localhost:5672/", queue=f"orders-{uuid4().hex[:8]}"):
    base = sqlite3.connect(":memory:")
    base.executescript(TABLES)
    # The card of order 1 is declined after order 2 has asked for the last piece.
    for answer in serve(url, queue, base, ["reserve 1", "reserve 2", "release 1"]):
        print(answer)
    left = base.execute("SELECT free FROM stock").fetchone()[0]
    print(f"pieces that nobody gets: {left}")


if __name__ == "__main__":
    main(*sys.argv[1:])

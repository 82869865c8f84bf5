"""A saga has no isolation: others see what it has done and may undo later.

Watch order 2: it is turned away for a piece that is back in stock at the end.
"""

import sqlite3
import sys
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer

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


def serve(bootstrap, topic, base, commands):
    """Send commands to the inventory service, let it do them, and yield its answers."""
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for command in commands:
            producer.send(topic, command.encode()).get(timeout=10)
    with KafkaConsumer(
        topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest"
    ) as consumer:
        while commands and (polled := consumer.poll(timeout_ms=30000)):
            for records in polled.values():
                commands = commands[len(records) :]
                for record in records:
                    yield from handle(base, record.value.decode())


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    base = sqlite3.connect(":memory:")
    base.executescript(TABLES)
    # The card of order 1 is declined after order 2 has asked for the last piece.
    for answer in serve(
        bootstrap, topic, base, ["reserve 1", "reserve 2", "release 1"]
    ):
        print(answer)
    left = base.execute("SELECT free FROM stock").fetchone()[0]
    print(f"pieces that nobody gets: {left}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""At least once: each side notes its step after it took it, so a kill doubles.

Watch the kills between the two steps of a side: order 5 is doubled, and none is lost.
"""

import signal
import sqlite3
import sys
from itertools import product
from multiprocessing import get_context
from tempfile import TemporaryDirectory
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer, TopicPartition


def crash(here, number, at):
    """Die at order 5 if this is the point: nothing is closed and nobody is told."""
    if number == 5 and here == at:
        signal.raise_signal(signal.SIGKILL)


def sender(bootstrap, topic, shop, at=None):
    """Send each order until it is confirmed, then mark it as sent."""
    db = sqlite3.connect(shop)
    todo = db.execute("SELECT number FROM orders WHERE NOT sent ORDER BY number")
    with KafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        for (number,) in todo.fetchall():
            crash("before", number, at)
            producer.send(topic, str(number).encode()).get(timeout=10)
            crash("between", number, at)
            with db:
                db.execute("UPDATE orders SET sent = TRUE WHERE number = ?", [number])
            crash("after", number, at)


def receiver(bootstrap, topic, shop, at=None):
    """Add each order to the ledger, then commit it."""
    db = sqlite3.connect(shop)
    with KafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=topic,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    ) as consumer:
        consumer.assign([TopicPartition(topic, 0)])  # A group would wait for the dead.
        for record in consumer:
            number = int(record.value)
            crash("before", number, at)
            with db:
                db.execute("INSERT INTO ledger VALUES (?, 10)", [number])
            crash("between", number, at)
            consumer.commit()
            crash("after", number, at)
            if number == 10:
                break


def trade(bootstrap, topic, killed, at):
    """Send and receive ten orders; kill one side once; return the ledger's numbers."""
    with TemporaryDirectory() as folder, sqlite3.connect(f"{folder}/shop") as db:
        db.execute("CREATE TABLE orders (number, sent)")
        db.execute("CREATE TABLE ledger (number, amount)")
        db.executemany("INSERT INTO orders VALUES (?, FALSE)", zip(range(1, 11)))
        db.commit()
        for side in (sender, receiver):
            for point in (at, None) if side is killed else (None,):
                args = (bootstrap, topic, f"{folder}/shop", point)
                process = get_context("spawn").Process(target=side, args=args)
                process.start()
                process.join(60)
        return [number for (number,) in db.execute("SELECT number FROM ledger")]


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    print("killed            lost    twice   total")
    for side, at in product((sender, receiver), ("before", "between", "after")):
        done = trade(bootstrap, f"{topic}-{side.__name__}-{at}", side, at)
        lost, twice = ([n for n in range(1, 11) if done.count(n) == k] for k in (0, 2))
        print(f"{side.__name__:9}{at:9}{lost!s:8}{twice!s:8}{10 * len(done)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

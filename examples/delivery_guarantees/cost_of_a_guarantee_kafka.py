"""What a guarantee costs: how many records share the wait for one answer.

Watch the comparisons: each changes one thing, and nothing else.
"""

import sqlite3
import sys
import time
from collections import deque
from itertools import islice
from tempfile import TemporaryDirectory
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer, TopicPartition


def send(bootstrap, topic, window, count=300):
    """Send with at most `window` orders unconfirmed; return the seconds and the waits.

    Without a window no confirm is asked for, and nothing is known of the waits.
    """
    acks, unconfirmed, waits = "all" if window else 0, deque(), []
    with KafkaProducer(bootstrap_servers=bootstrap, acks=acks) as producer:
        producer.partitions_for(topic)
        begin = time.monotonic()
        for number in range(count):
            sent = time.monotonic()
            answer = producer.send(topic, str(number).encode())
            if window:
                answer.add_callback(
                    lambda _, t=sent: waits.append(time.monotonic() - t)
                )
                unconfirmed.append(answer)
            if window and len(unconfirmed) == window:
                unconfirmed.popleft().get(timeout=30)
        producer.flush(30)
        return time.monotonic() - begin, waits


def send_in_transactions(bootstrap, topic, size, count=100):
    """Send in transactions of `size`; return the seconds, and the waits for commits."""
    waits = []
    with KafkaProducer(
        bootstrap_servers=bootstrap,
        transactional_id=topic,
        retry_backoff_ms=5,  # Its 100 would be most of the time with three brokers.
    ) as producer:
        producer.init_transactions()
        begin = time.monotonic()
        for first in range(0, count, size):
            producer.begin_transaction()
            sent = []
            for number in range(first, first + size):
                producer.send(topic, str(number).encode())
                sent.append(time.monotonic())
            producer.commit_transaction()  # Now a read_committed reader gets them.
            waits += [time.monotonic() - each for each in sent]
        return time.monotonic() - begin, waits


def handle(db, numbers, known):
    """Book the orders in one transaction; with `known` no order a second time."""
    with db:
        for number in numbers:
            if known:
                new = db.execute("INSERT OR IGNORE INTO seen VALUES (?)", [number])
                if not new.rowcount:
                    continue
            db.execute("INSERT INTO ledger VALUES (?)", [number])


def open_shop(folder):
    db = sqlite3.connect(f"{folder}/{uuid4().hex}")
    db.execute("CREATE TABLE seen (number UNIQUE)")
    db.execute("CREATE TABLE ledger (number)")
    return db


def receive(bootstrap, topic, size, first=False, known=False, count=100):
    """Handle and commit orders in batches of `size`; return the seconds.

    With `first` the position is committed before the orders are handled.
    """
    with (
        TemporaryDirectory() as folder,
        KafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=f"{topic}-{uuid4().hex}",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            consumer_timeout_ms=20000,
        ) as consumer,
    ):
        db = open_shop(folder)
        consumer.assign([TopicPartition(topic, 0)])
        next(consumer)  # From here on it is connected.
        begin = time.monotonic()
        for _ in range(0, count, size):
            orders = [int(order.value) for order in islice(consumer, size)]
            if first:
                consumer.commit()
            handle(db, orders, known)
            if not first:
                consumer.commit()
        return time.monotonic() - begin


def best(action, *args):
    """Return the quickest of three runs: other work on the computer only delays."""
    return min(action(*args) for _ in range(3))


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    (one, _), (many, _) = (best(send, bootstrap, topic, window) for window in (1, 100))
    print(
        f"sent one by one at least 3 times as slow as 100 at a time: {one > 3 * many}"
    )
    one, many = (best(receive, bootstrap, topic, size) for size in (1, 50))
    print(f"handled one by one at least 3 times as slow as by 50: {one > 3 * many}")
    (one, _), (many, _) = (
        best(send_in_transactions, bootstrap, topic, size) for size in (1, 50)
    )
    print(f"a transaction each at least 3 times as slow as for 50: {one > 3 * many}")


if __name__ == "__main__":
    main(*sys.argv[1:])

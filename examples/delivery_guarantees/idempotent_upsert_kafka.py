"""A message that says what is so may come twice; if it may come late, add a version.

Watch version 12: it is handled, but not committed, and comes again after version 13.
"""

import json
import signal
import sqlite3
import sys
from multiprocessing import get_context
from tempfile import TemporaryDirectory
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

SET = """INSERT INTO stock VALUES (:product, :amount, :version)
    ON CONFLICT (product) DO UPDATE
    SET amount = excluded.amount, version = excluded.version"""
SET_IF_NEWER = f"{SET} WHERE excluded.version > stock.version"
CASES = (
    ("version 12 twice, set", SET, {12: 7}),
    ("version 12, 13, 12, set", SET, {12: 7, 13: 5}),
    ("version 12, 13, 12, set if newer", SET_IF_NEWER, {12: 7, 13: 5}),
)


def send(bootstrap, topic, amounts):
    """Send each version to a partition of its own, as may happen without a key."""
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: {"num_partitions": 2}}, wait_for_metadata=True)
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for partition, (version, amount) in enumerate(amounts.items()):
            message = {"product": "lamp", "amount": amount, "version": version}
            value = json.dumps(message).encode()
            producer.send(topic, value, partition=partition).get(timeout=10)


def receive(bootstrap, topic, partition, shop, statement, handled=None):
    """Handle one message and commit it, or tell `handled` and await the kill."""
    with KafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=topic,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        consumer_timeout_ms=20000,
    ) as consumer:
        consumer.assign([TopicPartition(topic, partition)])
        message = json.loads(next(consumer).value)
        with sqlite3.connect(shop) as db:
            db.execute(statement, message)
        if handled:
            handled.set()
            signal.pause()
        consumer.commit()


def deliver_again(bootstrap, topic, shop, statement, amounts):
    """Kill the first message's receiver, but let the rest pass before that."""
    send(bootstrap, topic, amounts)
    with sqlite3.connect(shop) as db:
        db.execute("CREATE TABLE stock (product UNIQUE, amount, version)")
    spawn = get_context("spawn")
    handled = spawn.Event()
    args = (bootstrap, topic, 0, shop, statement, handled)
    process = spawn.Process(target=receive, args=args, daemon=True)
    process.start()
    handled.wait(60)
    for partition in range(1, len(amounts)):
        receive(bootstrap, topic, partition, shop, statement)
    process.kill()
    process.join(60)
    receive(bootstrap, topic, 0, shop, statement)
    return db.execute("SELECT amount, version FROM stock").fetchone()


def main(bootstrap="localhost:9092", topic=f"stock-{uuid4().hex[:8]}"):
    with TemporaryDirectory() as folder:
        for number, (what, statement, amounts) in enumerate(CASES):
            run = f"{topic}-{number}", f"{folder}/{number}"
            amount, version = deliver_again(bootstrap, *run, statement, amounts)
            print(f"{what}: stock {amount} (version {version})")


if __name__ == "__main__":
    main(*sys.argv[1:])

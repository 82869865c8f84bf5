"""A message that says "one less" must not come twice, and after a kill it does.

Watch the stock: one lamp was sold, and the stock falls from 8 to 6.
"""

import json
import signal
import sqlite3
import sys
from multiprocessing import get_context
from tempfile import TemporaryDirectory
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

DECREMENT = "UPDATE stock SET amount = amount - :sold WHERE product = :product"


def send(bootstrap, topic, message):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        producer.send(topic, json.dumps(message).encode()).get(timeout=10)


def receive(bootstrap, topic, shop, dies):
    """Take one message off the stock and commit it, or be killed before the commit."""
    with KafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=topic,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        consumer_timeout_ms=20000,
    ) as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        message = json.loads(next(consumer).value)
        with sqlite3.connect(shop) as db:
            db.execute(DECREMENT, message)
        if dies:
            signal.raise_signal(signal.SIGKILL)
        consumer.commit()


def stock(shop):
    with sqlite3.connect(shop) as db:
        return db.execute("SELECT amount FROM stock").fetchone()[0]


def main(bootstrap="localhost:9092", topic=f"stock-{uuid4().hex[:8]}"):
    with TemporaryDirectory() as folder:
        shop = f"{folder}/shop"
        with sqlite3.connect(shop) as db:
            db.execute("CREATE TABLE stock (product, amount)")
            db.execute("INSERT INTO stock VALUES ('lamp', 8)")
        print(f"stock: {stock(shop)}")
        send(bootstrap, topic, {"product": "lamp", "sold": 1})
        args = (bootstrap, topic, shop, True)
        process = get_context("spawn").Process(target=receive, args=args)
        process.start()
        process.join(60)
        print(f"one lamp is sold, then its receiver is killed: {stock(shop)}")
        receive(bootstrap, topic, shop, dies=False)
        print(f"the same message comes again: {stock(shop)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

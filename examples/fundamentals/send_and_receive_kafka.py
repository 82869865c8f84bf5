"""The producer is gone before the consumer starts, and the orders still arrive.

Watch the two processes: they never run at the same time, and neither knows the other.
"""

import sys
from itertools import islice
from multiprocessing import get_context
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer


def send_orders(bootstrap, topic, orders):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for order in orders:
            producer.send(topic, order.encode()).get(timeout=10)


def receive(bootstrap, topic, count):
    with KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",  # From the start of the log, not from now on.
        consumer_timeout_ms=10000,
    ) as consumer:
        return [record.value.decode() for record in islice(consumer, count)]


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    orders = ["order 1: a lamp", "order 2: two books"]
    producer = get_context("spawn").Process(
        target=send_orders, args=(bootstrap, topic, orders)
    )
    producer.start()
    producer.join(30)
    print(f"producer sent {len(orders)} orders and exited with {producer.exitcode}")
    for order in receive(bootstrap, topic, len(orders)):
        print(f"consumer received '{order}'")


if __name__ == "__main__":
    main(*sys.argv[1:])

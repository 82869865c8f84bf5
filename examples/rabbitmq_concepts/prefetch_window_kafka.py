"""Kafka has no window: a consumer reads on, however little of it has been committed.

Watch worker 1: it never commits, and each poll brings it the next orders all the same.
"""

import sys
import time
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer, TopicPartition


def send_orders(bootstrap, topic, count):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for number in range(1, count + 1):
            producer.send(topic, f"order {number}".encode()).get(timeout=10)


def start_worker(bootstrap, topic, most):
    """Return a member of the group whose polls return at most `most` orders."""
    worker = KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=f"{topic}-workers",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_poll_records=most,
    )
    worker.partitions_for_topic(topic)  # Whoever deals out partitions must know them.
    return worker


def take(worker, count):
    """Poll until `count` orders have come; return how many each poll brought."""
    brought, deadline = [], time.monotonic() + 30
    while sum(brought) < count and time.monotonic() < deadline:
        if records := worker.poll(timeout_ms=1000):
            brought.append(sum(map(len, records.values())))
    return brought


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    send_orders(bootstrap, topic, 10)
    with start_worker(bootstrap, topic, 3) as worker:
        print(f"10 orders, at most 3 a poll: {take(worker, 10)}")
        partition = TopicPartition(topic, 0)
        print(f"worker 1 is at offset {worker.position(partition)}")
        print(f"committed: {worker.committed(partition)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Two workers of one group share a topic: each order goes to one of them, not to both.

Watch the partitions: the unit that is shared out is the partition, so a third worker would idle.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from threading import Barrier
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer


def create_topic(bootstrap, topic, partitions):
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: {"num_partitions": partitions}}, wait_for_metadata=True)


def send_orders(bootstrap, topic, count):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for number in range(1, count + 1):
            order = f"order {number}".encode()
            producer.send(topic, order, partition=number % 2).get(timeout=10)


def work(bootstrap, topic, count, everyone_is_ready):
    """Join the group, wait until the partitions are shared out, then handle `count` orders."""
    with KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=f"{topic}-workers",
        auto_offset_reset="earliest",
        consumer_timeout_ms=10000,
    ) as consumer:
        deadline = time.monotonic() + 30
        while len(consumer.assignment()) != 1 and time.monotonic() < deadline:
            consumer.poll(timeout_ms=100)  # Polling is what joins a group and keeps its place.
        everyone_is_ready.wait(30)
        return [record.value.decode() for record in islice(consumer, count)]


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    create_topic(bootstrap, topic, partitions=2)
    everyone_is_ready = Barrier(3)
    with ThreadPoolExecutor(2) as workers:
        handled = [workers.submit(work, bootstrap, topic, 3, everyone_is_ready) for _ in range(2)]
        everyone_is_ready.wait(60)
        send_orders(bootstrap, topic, 6)
    for number, orders in enumerate(sorted(each.result() for each in handled), 1):
        print(f"worker {number} handled {', '.join(orders)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A worker that polls too slowly loses its partition, and its commit fails.

Watch the order: worker 2 gets it too, and worker 1 learns of that when it is too late.
"""

import sys
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import CommitFailedError


def send_order(bootstrap, topic, order):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        producer.send(topic, order.encode()).get(timeout=10)


def start_worker(bootstrap, topic):
    worker = KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=f"{topic}-workers",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_poll_interval_ms=3000,  # How long it may work before it asks for more.
        consumer_timeout_ms=30000,
    )
    worker.partitions_for_topic(topic)  # Whoever deals out partitions must know them.
    return worker


def pack(worker, name):
    order = next(worker).value.decode()
    print(f"{name} packs {order}")


def commit(worker, name):
    try:
        worker.commit()
        print(f"{name} has committed")
    except CommitFailedError:
        print(f"{name} may not commit: its partition was given to another")


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    send_order(bootstrap, topic, "order 7")
    with (
        start_worker(bootstrap, topic) as slow,
        start_worker(bootstrap, topic) as other,
    ):
        pack(slow, "worker 1")
        pack(other, "worker 2")  # Comes back when worker 1 has not polled for too long.
        commit(other, "worker 2")
        commit(slow, "worker 1")


if __name__ == "__main__":
    main(*sys.argv[1:])

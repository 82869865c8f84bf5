"""Two workers and a key that spreads one order over both: the order of its steps is lost.

Watch the end: the first step is slow, and the other worker does not wait for it.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

STEPS = ["placed", "paid", "shipped"]


def create_topic(bootstrap, topic, partitions):
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: {"num_partitions": partitions}}, wait_for_metadata=True)


def send_steps(bootstrap, topic):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for step in STEPS:
            producer.send(topic, step.encode(), key=step.encode()).get(timeout=10)


def work(bootstrap, topic, done, everyone_is_ready):
    """Handle steps until none has come for three seconds; note each in `done` when it is done."""
    with KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=f"{topic}-workers",
        auto_offset_reset="earliest",
        consumer_timeout_ms=3000,
    ) as consumer:
        deadline = time.monotonic() + 30
        while len(consumer.assignment()) != 1 and time.monotonic() < deadline:
            consumer.poll(timeout_ms=100)
        everyone_is_ready.wait(30)
        for record in consumer:
            if record.value == b"placed":
                time.sleep(1)  # This one step is slow.
            done.append(record.value.decode())


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    create_topic(bootstrap, topic, partitions=2)
    done, everyone_is_ready = [], Barrier(3)
    with ThreadPoolExecutor(2) as workers:
        working = [workers.submit(work, bootstrap, topic, done, everyone_is_ready) for _ in "12"]
        everyone_is_ready.wait(60)
        send_steps(bootstrap, topic)
        [each.result() for each in working]
    print(f"sent: {', '.join(STEPS)}")
    print(f"done: {', '.join(done)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""One key, one partition: the steps of an order stay in sequence.

Watch the end: the first step is slow, and the later ones wait for it.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

STEPS = ["placed", "paid", "shipped"]


def create(bootstrap, topic):
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: {"num_partitions": 2}}, wait_for_metadata=True)


def send_steps(bootstrap, topic):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for step in STEPS:
            producer.send(topic, step.encode(), key=b"order 1").get(timeout=10)


def join_group(bootstrap, topic):
    """Return a member of the group, without a partition until it has polled."""
    member = KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=f"{topic}-workers",
        auto_offset_reset="earliest",
        consumer_timeout_ms=3000,
    )
    member.partitions_for_topic(topic)  # Whoever deals out partitions must know them.
    return member


def poll_until_shared_out(member, members):
    """Poll, which is what joins a group, until each member has one partition."""
    deadline = time.monotonic() + 30
    while any(len(each.assignment()) != 1 for each in members):
        if time.monotonic() > deadline:
            raise TimeoutError("The group has not shared out the partitions.")
        member.poll(timeout_ms=100)


def work(member, done):
    """Handle steps until none has come for three seconds; add each to `done`."""
    for record in member:
        if record.value == b"placed":
            time.sleep(1)  # This one step is slow.
        done.append(record.value.decode())


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    create(bootstrap, topic)
    members = [join_group(bootstrap, topic) for _ in range(2)]
    done = []
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda each: poll_until_shared_out(each, members), members))
        send_steps(bootstrap, topic)
        list(threads.map(lambda each: work(each, done), members))
    print(f"sent: {', '.join(STEPS)}")
    print(f"done: {', '.join(done)}")
    for member in members:
        member.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

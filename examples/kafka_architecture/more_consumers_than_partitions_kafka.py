"""Three workers of a group share two partitions: one of them has nothing to do.

Watch the counts: the third worker is connected and polls, and no order reaches it.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer


def create(bootstrap, topic):
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: {"num_partitions": 2}}, wait_for_metadata=True)


def send_orders(bootstrap, topic, count):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for number in range(1, count + 1):
            order = f"order {number}".encode()
            producer.send(topic, order, partition=number % 2).get(timeout=10)


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


def shares(members):
    """Return how many partitions each member has, the smallest share first."""
    return sorted(len(each.assignment()) for each in members)


def poll_until_shared_out(member, members):
    """Poll, which is what joins a group, until two members have a partition each."""
    deadline = time.monotonic() + 30
    while shares(members) != [0, 1, 1]:
        if time.monotonic() > deadline:
            raise TimeoutError("The group has not shared out the partitions.")
        member.poll(timeout_ms=100)


def work(member):
    """Handle orders until none has come for three seconds; return how many."""
    return sum(1 for _ in member)


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    create(bootstrap, topic)
    members = [join_group(bootstrap, topic) for _ in range(3)]
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda each: poll_until_shared_out(each, members), members))
        print(f"partitions of the three workers: {shares(members)}")
        send_orders(bootstrap, topic, 6)
        print(f"orders handled by each: {sorted(threads.map(work, members))}")
    for member in members:
        member.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

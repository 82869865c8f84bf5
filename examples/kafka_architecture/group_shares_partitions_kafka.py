"""A group deals its members partitions, and deals again when a member leaves.

Watch the four partitions: each always has one reader, and one member alone has all.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer


def create(bootstrap, topic):
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: {"num_partitions": 4}}, wait_for_metadata=True)


def join_group(bootstrap, topic):
    """Return a member of the group, without a partition until it has polled."""
    member = KafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id=f"{topic}-workers"
    )
    member.partitions_for_topic(topic)  # Whoever deals out partitions must know them.
    return member


def share(member):
    """Return the numbers of the member's partitions."""
    return sorted(each.partition for each in member.assignment())


def poll_until_each_has(count, members):
    """Let all poll at once, as a group must, until each has `count` partitions."""
    deadline = time.monotonic() + 30

    def poll(member):
        while any(len(share(each)) != count for each in members):
            if time.monotonic() > deadline:
                raise TimeoutError(f"Not every member has {count} partitions.")
            member.poll(timeout_ms=100)

    with ThreadPoolExecutor(len(members)) as threads:
        list(threads.map(poll, members))


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    create(bootstrap, topic)
    members = [join_group(bootstrap, topic) for _ in range(2)]
    poll_until_each_has(2, members)
    one, other = sorted(share(member) for member in members)
    print(f"two members: one reads partitions {one}, the other {other}")
    left, stays = members
    left.close()
    poll_until_each_has(4, [stays])
    print(f"one has left: the other reads {share(stays)}")
    stays.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Two workers of one group share a topic: each order goes to one of them.

Watch the counts: the two are at work at the same time, and nothing is done twice.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from threading import Barrier
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer


def create(bootstrap, topic):
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: {"num_partitions": 2}}, wait_for_metadata=True)


def send_orders(bootstrap, topic, count):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for number in range(1, count + 1):
            # By turns, for an even split. Without this each client has its own way.
            order = f"order {number}".encode()
            producer.send(topic, order, partition=number % 2).get(timeout=10)


def join_group(bootstrap, topic):
    """Return a member of the group, without a partition until it has polled."""
    member = KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=f"{topic}-workers",
        auto_offset_reset="earliest",
        consumer_timeout_ms=10000,
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


def work(member, count, together):
    """Handle `count` orders; hold each until the other worker has one as well."""
    handled = []
    for record in islice(member, count):
        together.wait(10)
        handled.append(record.value.decode())
    return handled


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    create(bootstrap, topic)
    members = [join_group(bootstrap, topic) for _ in range(2)]
    together = Barrier(2)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda each: poll_until_shared_out(each, members), members))
        send_orders(bootstrap, topic, 6)
        one, other = threads.map(lambda each: work(each, 3, together), members)
    print(f"worker 1 handled {len(one)} orders, worker 2 handled {len(other)}")
    print(f"different orders: {len({*one, *other})}")
    for member in members:
        member.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

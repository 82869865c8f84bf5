"""One partition and a group of two: one worker reads, and the other takes over.

Watch the end: worker 1 had not committed order 3, and worker 2 starts there.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer


def create(bootstrap, topic):
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: {"num_partitions": 1}}, wait_for_metadata=True)


def send_orders(bootstrap, topic, count):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for number in range(1, count + 1):
            producer.send(topic, str(number).encode()).get(timeout=10)


def join_group(bootstrap, topic):
    """Return a member of the group, without the partition until it has polled."""
    member = KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=f"{topic}-workers",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        consumer_timeout_ms=2000,
    )
    member.partitions_for_topic(topic)  # Whoever deals out partitions must know them.
    return member


def choose(members):
    """Let both poll, as a group must, until one has the partition; return it first."""
    deadline = time.monotonic() + 30

    def poll(member):
        while sorted(len(each.assignment()) for each in members) != [0, 1]:
            if time.monotonic() > deadline:
                raise TimeoutError("The group has not dealt out the partition.")
            member.poll(timeout_ms=100)

    with ThreadPoolExecutor(len(members)) as threads:
        list(threads.map(poll, members))
    return sorted(members, key=lambda each: len(each.assignment()), reverse=True)


def work(member):
    """Handle orders until none has come for two seconds; return their numbers."""
    return [int(order.value) for order in member]


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    create(bootstrap, topic)
    one, two = choose([join_group(bootstrap, topic) for _ in range(2)])
    send_orders(bootstrap, topic, 6)
    for order in islice(one, 3):
        if order.value != b"3":
            one.commit()
    print(f"worker 1 has order 3 in hand, worker 2 is sent {work(two) or 'nothing'}")
    one.close()
    handled, deadline = [], time.monotonic() + 30
    while len(handled) < 4 and time.monotonic() < deadline:
        handled += work(two)
    print(f"worker 1 closes, worker 2 is sent order {handled[0]} first")
    print(f"in the end worker 2 had {sorted(handled)}")
    two.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

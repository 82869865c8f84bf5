"""Partitions are dealt out before the work is known, and each has one owner.

Watch the two workers: every second order is large, and one partition has all of those.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

ORDERS = [f"{'large' if number % 2 else 'small'} {number}" for number in range(1, 9)]
LARGE = 0.5  # Seconds that pretend the packing of a large order.


def create(bootstrap, topic):
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: {"num_partitions": 2}}, wait_for_metadata=True)


def send_orders(bootstrap, topic):
    """Send the orders to the two partitions by turns."""
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for number, order in enumerate(ORDERS):
            producer.send(topic, order.encode(), partition=number % 2).get(timeout=10)


def join_group(bootstrap, topic):
    """Return a member of the group, without a partition until it has polled."""
    member = KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=f"{topic}-workers",
        auto_offset_reset="earliest",
        max_poll_records=1,  # It hands out one record at a time, of its own partition.
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


def pack(member):
    """Pack orders until none has come for three seconds; return them, each with the
    time when it was done.
    """
    packed = {}
    for record in member:
        time.sleep(LARGE if record.value.startswith(b"large") else 0)
        packed[record.value.decode()] = time.monotonic()
    return packed


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    create(bootstrap, topic)
    members = [join_group(bootstrap, topic) for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda each: poll_until_shared_out(each, members), members))
        workers = [threads.submit(pack, each) for each in members]
        send_orders(bootstrap, topic)
        one, other = sorted((each.result() for each in workers), key=list)
    print(f"worker 1 packed {', '.join(one)}")
    print(f"worker 2 packed {', '.join(other)}")
    early = max(other.values()) < one["large 3"]
    print(f"worker 2 was done before worker 1 had packed its second: {early}")
    for member in members:
        member.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

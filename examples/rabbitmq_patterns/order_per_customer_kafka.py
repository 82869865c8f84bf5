"""The key sends each customer to one partition, and a group gives that one owner.

Watch the worker that stops: another one goes on where it was.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice, product
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

STEPS = ["placed", "paid", "shipped"]
CUSTOMERS = [f"customer-{number}" for number in range(1, 11)]


def create(bootstrap, topic):
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: {"num_partitions": 2}}, wait_for_metadata=True)


def send_steps(bootstrap, topic):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for step, customer in product(STEPS, CUSTOMERS):
            producer.send(topic, step.encode(), key=customer.encode())
        producer.flush(timeout=10)


def join_group(bootstrap, topic):
    """Return a member of the group, without a partition until it has polled."""
    member = KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=f"{topic}-workers",
        auto_offset_reset="earliest",
        heartbeat_interval_ms=500,  # So soon it hears that the group changes.
        consumer_timeout_ms=5000,
    )
    member.partitions_for_topic(topic)  # Whoever deals out partitions must know them.
    return member


def poll_until_shared_out(member, members):
    """Poll, which is what joins a group, until two members have a partition each."""
    deadline = time.monotonic() + 30
    while sorted(len(each.assignment()) for each in members) != [0, 1, 1]:
        if time.monotonic() > deadline:
            raise TimeoutError("The group has not shared out the partitions.")
        member.poll(timeout_ms=100)


def work(member, done, limit=None):
    """Do steps until none has come for five seconds, or `limit` of them."""
    count = 0
    for record in islice(member, limit):
        time.sleep(0.2 if record.value == b"placed" else 0.02)  # This pretends work.
        done.append((record.partition, record.key.decode(), record.value.decode()))
        count += 1
    member.close()  # It commits what was done, and leaves the group.
    return count


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    create(bootstrap, topic)
    members, done = [join_group(bootstrap, topic) for _ in range(3)], []
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda each: poll_until_shared_out(each, members), members))
        members.sort(key=lambda each: -len(each.assignment()))  # The idle one is last.
        send_steps(bootstrap, topic)
        count, *_ = threads.map(work, members, [done] * 3, [5, None, None])
    print(f"steps by the worker that stopped: {count}, by others: {len(done) - count}")
    half = {lane for lane, _, _ in done[: len(done) // 2]}
    print(f"lanes at work in the first half: {len(half)}")
    steps = [[step for _, name, step in done if name == each] for each in CUSTOMERS]
    print(f"order kept for {steps.count(STEPS)} of {len(CUSTOMERS)} customers")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Two more workers need two more partitions, and these help with new orders only.

Watch the backlog: it stays in the old partitions, and there two workers handle it.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer


def send_orders(bootstrap, topic, count, partitions):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for number in range(count):
            producer.send(topic, b"order", partition=number % partitions).get(10)


def join_group(bootstrap, topic):
    """Return a member of the group, without a partition until it has polled."""
    member = KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=f"{topic}-workers",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_poll_records=1,
        metadata_max_age_ms=500,  # How soon it sees new partitions; default 5 minutes.
    )
    member.partitions_for_topic(topic)  # Whoever deals out partitions must know them.
    return member


def poll_until(shared_out, member):
    """Poll until told to stop, and go back to the beginning of what it has got."""
    while not shared_out.is_set():
        member.poll(timeout_ms=100)
    member.seek_to_beginning()


def share_out(threads, members):
    """Let the members poll until each has one partition."""
    shared_out, deadline = Event(), time.monotonic() + 60
    polls = threads.map(lambda each: poll_until(shared_out, each), members)
    while any(len(each.assignment()) != 1 for each in members):
        if time.monotonic() > deadline:
            raise TimeoutError("The group has not shared out the partitions.")
        time.sleep(0.1)
    shared_out.set()
    list(polls)  # Wait for them, and raise what they have raised.


def work(member):
    """Handle orders until none has come for three seconds; return how many."""
    handled = 0
    while member.poll(timeout_ms=3000):
        time.sleep(0.05)  # The work on an order.
        handled += 1
    return handled


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: {"num_partitions": 2}}, wait_for_metadata=True)
        send_orders(bootstrap, topic, 40, 2)
        admin.create_partitions({topic: 4})
    members = [join_group(bootstrap, topic) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        share_out(threads, members)
        print("four partitions, each of four workers has one")
        print("a backlog of 40 is handled by", sorted(threads.map(work, members)))
        send_orders(bootstrap, topic, 40, 4)
        print("40 new orders are handled by", sorted(threads.map(work, members)))
        list(threads.map(KafkaConsumer.close, members))


if __name__ == "__main__":
    main(*sys.argv[1:])

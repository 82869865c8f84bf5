"""A share group hands out a partition's records on demand, to this client by batches.

Watch who packs the large orders: the same orders come twice.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from confluent_kafka import ShareConsumer
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ConfigResource

ORDERS = [f"{'large' if number % 2 else 'small'} {number}" for number in range(1, 9)]
LARGE = 1  # Seconds that pretend the packing of a large order.


def create(bootstrap, topic):
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: {"num_partitions": 1}}, wait_for_metadata=True)
        settings = {"share.auto.offset.reset": "earliest"}
        admin.alter_configs([ConfigResource("GROUP", topic, settings)])


def send(bootstrap, topic, orders, batched):
    """Send the orders in one batch, or each in a batch of its own."""
    with KafkaProducer(bootstrap_servers=bootstrap, linger_ms=1000) as producer:
        for order in orders:
            producer.send(topic, order.encode())
            if not batched:
                producer.flush(timeout=10)
        producer.flush(timeout=10)


def join_group(bootstrap, topic):
    """Return two members of the group, when each of them has been given a record."""
    options = {"bootstrap.servers": bootstrap, "group.id": topic, "max.poll.records": 1}
    members = [ShareConsumer(options) for _ in range(2)]
    for member in members:
        member.subscribe([topic])
    send(bootstrap, topic, ["a trial", "a trial"], batched=False)
    if not all([each.poll(20) for each in members]):
        raise TimeoutError("A member has been given nothing.")
    return members


def pack(member):
    """Pack until none has come for three seconds; return how many were large."""
    large = 0
    while messages := member.poll(3):  # It acknowledges what the last one returned.
        for message in messages:
            if message.value().startswith(b"large"):
                time.sleep(LARGE)
                large += 1
    member.close()
    return large


def dispatch(bootstrap, topic, batched):
    """Let two workers pack all; return how many large orders each of them packed."""
    create(bootstrap, topic)
    members = join_group(bootstrap, topic)
    with ThreadPoolExecutor(2) as threads:
        packed = threads.map(pack, members)
        send(bootstrap, topic, ORDERS, batched)
        return sorted(packed)


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    large = dispatch(bootstrap, f"{topic}-bulk", batched=True)
    print(f"sent in one batch: large orders of each worker {large}")
    large = dispatch(bootstrap, f"{topic}-fair", batched=False)
    print(f"sent one by one:   large orders of each worker {large}")


if __name__ == "__main__":
    main(*sys.argv[1:])

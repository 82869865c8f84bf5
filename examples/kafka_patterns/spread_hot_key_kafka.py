"""A finer key spreads the big customer, and the sequence of its orders is lost.

Watch the 4 buckets: their keys are hashed as well, and fall into 2 of 4 partitions.
"""

import sys
from itertools import pairwise
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaProducer

ORDERS = range(1, 501)


def customer_of(order):
    """Every other order is by customer-1, the rest by a hundred others in turn."""
    return "customer-1" if order % 2 else f"customer-{2 + order // 2 % 100}"


KEYS = {
    "customer": customer_of,
    "customer and 4 buckets": lambda order: f"{customer_of(order)}#{order // 2 % 4}",
    "customer and 32 buckets": lambda order: f"{customer_of(order)}#{order // 2 % 32}",
    "order": lambda order: f"order-{order}",
}


def send_orders(bootstrap, topic, key_of):
    """Send two steps of each order; return {order: (record of one, of the other)}."""
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: {"num_partitions": 4}}, wait_for_metadata=True)
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        placed, paid = (
            {n: producer.send(topic, step, key=key_of(n).encode()) for n in ORDERS}
            for step in (b"placed", b"paid")
        )
        return {n: (placed[n].get(timeout=30), paid[n].get(timeout=30)) for n in ORDERS}


def in_sequence(records):
    """Tell whether the records are in one partition, one behind the other."""
    return all(
        one.partition == other.partition and one.offset < other.offset
        for one, other in pairwise(records)
    )


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    for number, (name, key_of) in enumerate(KEYS.items()):
        sent = send_orders(bootstrap, f"{topic}-{number}", key_of)
        partitions = [step.partition for steps in sent.values() for step in steps]
        fullest = max(map(partitions.count, range(4)))
        print(f"key: {name}")
        print(f"  the fullest of 4 partitions has {fullest} of {len(partitions)} steps")
        big = [placed for order, (placed, _) in sent.items() if order % 2]
        spread = len({placed.partition for placed in big})
        sequence = "kept" if in_sequence(big) else "lost"
        print(
            f"  customer-1 is in {spread} of them, its orders' sequence is {sequence}"
        )
        kept = sum(map(in_sequence, sent.values()))
        print(f"  placed before paid: {kept} of {len(ORDERS)} orders")


if __name__ == "__main__":
    main(*sys.argv[1:])

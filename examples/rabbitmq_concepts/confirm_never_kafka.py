"""Send all orders and ask for no acknowledgement: the producer takes them for stored.

Watch the last order: the topic refuses it, and the producer does not learn of that.
"""

import sys
import time
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

COUNT = 2000
KIB = 1024


def create(bootstrap, topic):
    """Create a topic that refuses the last of the orders."""
    refusing = {"configs": {"max.message.bytes": str(50 * KIB)}}
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: refusing}, wait_for_metadata=True)


def make_orders(count):
    """Yield orders of 1 KiB, and a last one of 100 KiB."""
    for number in range(1, count + 1):
        yield f"order {number}".ljust(KIB if number < count else 100 * KIB).encode()


def send_orders(bootstrap, topic, count, acks):
    """Send orders without waiting between them; return those known to be refused."""
    with KafkaProducer(bootstrap_servers=bootstrap, acks=acks) as producer:
        sent = [(order, producer.send(topic, order)) for order in make_orders(count)]
        producer.flush(timeout=30)
    return [order.decode().rstrip() for order, answer in sent if answer.failed()]


def count(bootstrap, topic, expected):
    """Ask until the topic's one partition has `expected` records; return how many."""
    partition, deadline = TopicPartition(topic, 0), time.monotonic() + 10
    with KafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        while True:
            found = consumer.end_offsets([partition])[partition]
            if found >= expected or time.monotonic() > deadline:
                return found


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    for acks in ("all", 0):
        name = f"{topic}-{acks}"
        create(bootstrap, name)
        refused = send_orders(bootstrap, name, COUNT, acks)
        print(f"acks={acks}: sent {COUNT}, refused as far as is known: {refused}")
        print(f"  found: {count(bootstrap, name, COUNT - 1)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Send an order, wait for its acknowledgement, send the next.

Watch the last order: the topic takes none so large, and the producer knows of it.
"""

import sys
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import MessageSizeTooLargeError

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


def send_orders(bootstrap, topic, count):
    """Send each order when the one before is acknowledged; return the refused."""
    refused = []
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for order in make_orders(count):
            try:
                producer.send(topic, order).get(timeout=10)
            except MessageSizeTooLargeError:
                refused.append(order.decode().rstrip())
    return refused


def count(bootstrap, topic):
    """Return how many records are in the topic's one partition."""
    partition = TopicPartition(topic, 0)
    with KafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        return consumer.end_offsets([partition])[partition]


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    create(bootstrap, topic)
    refused = send_orders(bootstrap, topic, COUNT)
    print(f"sent: {COUNT}, acknowledged: {COUNT - len(refused)}, refused: {refused}")
    print(f"found: {count(bootstrap, topic)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

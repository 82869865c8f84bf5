"""In a share group one record can be returned, refused, or given up after the fifth
delivery, and the others go on.

Watch the last order: it is returned each time, until the broker no longer sends it.
"""

import sys
from collections import Counter
from uuid import uuid4

from confluent_kafka import AcknowledgeType, ShareConsumer
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ConfigResource

ORDERS = ["is done", "fails once", "is refused", "always fails"]


def create(bootstrap, topic, group):
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: {"num_partitions": 1}}, wait_for_metadata=True)
        start = {"share.auto.offset.reset": "earliest"}
        admin.alter_configs([ConfigResource("GROUP", group, start)])


def send_orders(bootstrap, topic):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for order in ORDERS:
            producer.send(topic, order.encode()).get(timeout=10)


def answer(order, delivery):
    """Return how the delivery with this number of an order is acknowledged."""
    if order == "is refused":
        return AcknowledgeType.REJECT  # Never again, to nobody.
    if order == "always fails" or (order == "fails once" and delivery == 1):
        return AcknowledgeType.RELEASE  # Again, to anybody.
    return AcknowledgeType.ACCEPT


def work(bootstrap, topic, group):
    """Handle orders until none has come for three seconds; return how often each was
    delivered.
    """
    options = {
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "share.acknowledgement.mode": "explicit",
    }
    deliveries = Counter()
    with ShareConsumer(options) as consumer:
        consumer.subscribe([topic])
        while messages := consumer.poll(3 if deliveries else 20):
            for message in messages:
                order = message.value().decode()
                deliveries[order] += 1
                consumer.acknowledge(message, answer(order, message.delivery_count()))
            consumer.commit_sync(10)
    return deliveries


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    group = f"{topic}-workers"
    create(bootstrap, topic, group)
    send_orders(bootstrap, topic)
    deliveries = work(bootstrap, topic, group)
    for order in ORDERS:
        print(f"the order that {order}: deliveries: {deliveries[order]}")


if __name__ == "__main__":
    main(*sys.argv[1:])

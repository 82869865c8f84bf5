"""Kafka has no exchange: the producer names the topic, one for each kind of event, and
a group reads the topics that it names.

Watch the audit, which reads two topics. There is no order between them, so they are
sorted here.
"""

import sys
from itertools import islice
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition


def create(bootstrap, topics):
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        one_each = {topic: {"num_partitions": 1} for topic in topics}
        admin.create_topics(one_each, wait_for_metadata=True)


def send(bootstrap, topic, kind, order):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        producer.send(f"{topic}-{kind}", f"{order} {kind}".encode()).get(timeout=10)


def read_as(group, bootstrap, topic, kinds):
    """Read everything that the topics of these kinds hold."""
    names = [f"{topic}-{kind}" for kind in kinds]
    with KafkaConsumer(
        *names,
        bootstrap_servers=bootstrap,
        group_id=f"{topic}-{group}",
        auto_offset_reset="earliest",
        consumer_timeout_ms=10000,
    ) as consumer:
        ends = consumer.end_offsets([TopicPartition(name, 0) for name in names])
        records = islice(consumer, sum(ends.values()))
        return sorted(record.value.decode() for record in records)


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    kinds = ["placed", "paid", "cancelled"]
    create(bootstrap, [f"{topic}-{kind}" for kind in kinds])
    for kind in kinds:
        send(bootstrap, topic, kind, "order 7")
    shipping = read_as("shipping", bootstrap, topic, ["paid"])
    audit = read_as("audit", bootstrap, topic, ["placed", "paid"])
    print(f"shipping, subscribed to paid:         {shipping}")
    print(f"audit, subscribed to placed and paid: {audit}")


if __name__ == "__main__":
    main(*sys.argv[1:])

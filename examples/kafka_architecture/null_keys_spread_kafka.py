"""Records without a key go anywhere, and each client has its own way to choose.

Watch the partitions that 100 records reach: it is one where the client sticks to a
partition for a while, and all four where it chooses anew for each record.
"""

import sys
from uuid import uuid4

from confluent_kafka import Producer
from kafka import KafkaAdminClient, KafkaProducer
from kafka.partitioner import StickyPartitioner

RECORDS = 100


def create(bootstrap, topic):
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: {"num_partitions": 4}}, wait_for_metadata=True)


def partitions_of_kafka_python(bootstrap, topic, **options):
    """Send the records with kafka-python; return the partitions that they are in."""
    with KafkaProducer(bootstrap_servers=bootstrap, **options) as producer:
        # It chooses among the partitions whose leader it knows, so it meets all first.
        for partition in range(4):
            producer.send(topic, b"the first", partition=partition)
        producer.flush(timeout=10)
        sent = [producer.send(topic, b"order placed") for _ in range(RECORDS)]
        producer.flush(timeout=10)
        return {each.get(timeout=10).partition for each in sent}


def partitions_of_librdkafka(bootstrap, topic, sticky_ms):
    """Send the records with librdkafka; return the partitions that they are in."""
    options = {
        "bootstrap.servers": bootstrap,
        "sticky.partitioning.linger.ms": sticky_ms,
    }
    partitions = set()
    with Producer(options) as producer:
        # It cannot stick to a partition before it is connected to the leader.
        producer.produce(topic, b"the first")
        producer.flush(10)
        for _ in range(RECORDS):
            producer.produce(
                topic,
                b"order placed",
                on_delivery=lambda _, message: partitions.add(message.partition()),
            )
        producer.flush(10)
    return partitions


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    create(bootstrap, topic)
    random = partitions_of_kafka_python(bootstrap, topic)
    print(f"kafka-python: {len(random)} of 4 partitions")
    sticky = {"partitioner": StickyPartitioner(), "linger_ms": 5000}
    batch = partitions_of_kafka_python(bootstrap, topic, **sticky)
    print(f"kafka-python, sticky, one batch: {len(batch)} of 4 partitions")
    burst = partitions_of_librdkafka(bootstrap, topic, sticky_ms=5000)
    print(f"librdkafka, sticky for 5 s: {len(burst)} of 4 partitions")
    single = partitions_of_librdkafka(bootstrap, topic, sticky_ms=0)
    print(f"librdkafka, not sticky: {len(single)} of 4 partitions")


if __name__ == "__main__":
    main(*sys.argv[1:])

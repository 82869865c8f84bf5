"""The same key goes to another partition when another client sends it, unless both
hash alike.

Watch the keys that differ: librdkafka hashes with CRC32, kafka-python and Java with
murmur2.
"""

import sys
from uuid import uuid4

from confluent_kafka import Producer
from kafka import KafkaAdminClient, KafkaProducer

CUSTOMERS = [f"customer {number}" for number in range(1, 201)]


def create(bootstrap, topic):
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: {"num_partitions": 4}}, wait_for_metadata=True)


def send_with_kafka_python(bootstrap, topic, keys):
    """Send a record for each key; return {key: partition}."""
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        sent = {key: producer.send(topic, b"x", key=key.encode()) for key in keys}
        return {key: each.get(timeout=10).partition for key, each in sent.items()}


def send_with_librdkafka(bootstrap, topic, keys, partitioner):
    """Send a record for each key; return {key: partition}."""
    partitions = {}

    def on_delivery(error, message):
        partitions[message.key().decode()] = message.partition()

    options = {"bootstrap.servers": bootstrap, "partitioner": partitioner}
    with Producer(options) as producer:
        for key in keys:
            producer.produce(topic, b"x", key.encode(), on_delivery=on_delivery)
        producer.flush(10)
    return partitions


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    create(bootstrap, topic)
    one = send_with_kafka_python(bootstrap, topic, CUSTOMERS)
    for partitioner in ("consistent_random", "murmur2_random"):
        other = send_with_librdkafka(bootstrap, topic, CUSTOMERS, partitioner)
        elsewhere = [key for key in CUSTOMERS if other[key] != one[key]]
        print(f"librdkafka with {partitioner}:")
        print(f"  {len(elsewhere)} of {len(CUSTOMERS)} keys go to another partition")


if __name__ == "__main__":
    main(*sys.argv[1:])

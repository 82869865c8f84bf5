"""A transaction stays open, and read_committed readers of its partition stand still.

Watch order 2: it is not part of the transaction, was acknowledged, and has to wait.
"""

import sys
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition


def open_transaction(bootstrap, topic):
    """Send order 1 to partition 0 in a transaction; return its producer."""
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: {"num_partitions": 2}}, wait_for_metadata=True)
    producer = KafkaProducer(bootstrap_servers=bootstrap, transactional_id=topic)
    producer.init_transactions()
    producer.begin_transaction()
    producer.send(topic, b"order 1", partition=0).get(timeout=10)
    return producer


def send_without_transaction(bootstrap, topic, order, partition):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        producer.send(topic, order.encode(), partition=partition).get(timeout=10)


def read(bootstrap, topic, partition, isolation_level="read_committed"):
    """Return every order in the partition, until none has come for two seconds."""
    with KafkaConsumer(
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        isolation_level=isolation_level,
        consumer_timeout_ms=2000,
    ) as consumer:
        consumer.assign([TopicPartition(topic, partition)])
        return [record.value.decode() for record in consumer]


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    producer = open_transaction(bootstrap, topic)
    send_without_transaction(bootstrap, topic, "order 2", partition=0)
    send_without_transaction(bootstrap, topic, "order 3", partition=1)
    print("order 1 is in an open transaction, orders 2 and 3 are in none")
    everything = read(bootstrap, topic, 0, "read_uncommitted")
    print(f"partition 0, read_uncommitted: {everything}")
    print(f"partition 0, read_committed: {read(bootstrap, topic, 0)}")
    print(f"partition 1, read_committed: {read(bootstrap, topic, 1)}")
    producer.abort_transaction()
    print("the transaction was aborted")
    print(f"partition 0, read_committed: {read(bootstrap, topic, 0)}")
    producer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

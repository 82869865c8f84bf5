"""A producer aborts its transaction, and a consumer with the defaults reads it anyway.

Watch the defaults: the log keeps aborted records, and the reader must leave them out.
"""

import sys
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer


def send_in_transactions(bootstrap, topic):
    """Commit order 1 with its payment, and abort order 2 after the card was refused."""
    with KafkaProducer(bootstrap_servers=bootstrap, transactional_id=topic) as producer:
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(topic, b"order 1 placed")
        producer.send(topic, b"order 1 paid")
        producer.commit_transaction()
        producer.begin_transaction()
        producer.send(topic, b"order 2 placed").get(timeout=10)
        producer.abort_transaction()


def read(bootstrap, topic, **settings):
    """Return every value in the topic, until none has come for two seconds."""
    with KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=2000,
        **settings,
    ) as consumer:
        return [record.value.decode() for record in consumer]


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    send_in_transactions(bootstrap, topic)
    print("order 1 was committed, order 2 was aborted")
    print(f"by default: {read(bootstrap, topic)}")
    committed = read(bootstrap, topic, isolation_level="read_committed")
    print(f"read_committed: {committed}")


if __name__ == "__main__":
    main(*sys.argv[1:])

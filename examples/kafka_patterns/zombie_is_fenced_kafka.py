"""A worker that was replaced wakes up, and the broker refuses its transaction.

Watch the second worker: it took the same transactional id, which is all it had to do.
"""

import sys
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import ProducerFencedError


def connect(bootstrap, transactional_id):
    """Return a producer; the broker fences those that had the same id before."""
    producer = KafkaProducer(
        bootstrap_servers=bootstrap, transactional_id=transactional_id
    )
    producer.init_transactions()
    return producer


def begin(producer, topic, payment):
    """Send a payment in a transaction that stays open."""
    producer.begin_transaction()
    producer.send(topic, payment.encode()).get(timeout=10)


def commit(producer):
    """Return how the commit ended."""
    try:
        producer.commit_transaction()
        return "committed"
    except ProducerFencedError:
        return "refused: ProducerFencedError"


def read(bootstrap, topic, isolation_level):
    """Return every payment in the topic, until none has come for two seconds."""
    with KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        isolation_level=isolation_level,
        consumer_timeout_ms=2000,
    ) as consumer:
        return [record.value.decode() for record in consumer]


def main(bootstrap="localhost:9092", topic=f"payments-{uuid4().hex[:8]}"):
    zombie = connect(bootstrap, topic)
    begin(zombie, topic, "order 1, by worker 1")
    print("worker 1 has sent a payment and is not heard of any more")
    replacement = connect(bootstrap, topic)
    begin(replacement, topic, "order 1, by worker 2")
    print(f"worker 2: {commit(replacement)}")
    print(f"worker 1 wakes up: {commit(zombie)}")
    for isolation_level in ("read_uncommitted", "read_committed"):
        payments = read(bootstrap, topic, isolation_level)
        print(f"{isolation_level}: {payments}")
    zombie.close()
    replacement.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

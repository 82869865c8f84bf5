"""The urgent topic is looked at between two batches, not within one.

Watch the place of the urgent order: it comes behind the whole batch.
"""

import sys
import time
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition


def create(bootstrap, topic):
    """Create a topic for each priority; return their partitions, the urgent first."""
    names = [f"{topic}-urgent", topic]
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        topics = {each: {"num_partitions": 1} for each in names}
        admin.create_topics(topics, wait_for_metadata=True)
    return [TopicPartition(each, 0) for each in names]


def next_batch(consumer, urgent, ordinary, at_most):
    """Return ordinary orders only if the urgent topic is read to its end."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if consumer.position(urgent) < consumer.end_offsets([urgent])[urgent]:
            consumer.pause(ordinary)
        else:
            consumer.resume(ordinary)
        batches = consumer.poll(timeout_ms=500, max_records=at_most).values()
        if orders := [record.value for batch in batches for record in batch]:
            return orders
    raise TimeoutError("No order came.")


def place_of_the_urgent_order(bootstrap, urgent, ordinary, at_most):
    """Send an urgent order when a batch is here; return when it is worked on."""
    with (
        KafkaProducer(bootstrap_servers=bootstrap) as producer,
        KafkaConsumer(
            bootstrap_servers=bootstrap, auto_offset_reset="earliest"
        ) as consumer,
    ):
        for _ in range(20):
            producer.send(ordinary.topic, b"ordinary")
        producer.flush(timeout=10)
        consumer.assign([ordinary, urgent])
        orders = next_batch(consumer, urgent, ordinary, at_most)
        producer.send(urgent.topic, b"urgent").get(timeout=10)
        while b"urgent" not in orders:
            orders += next_batch(consumer, urgent, ordinary, at_most)
        return orders.index(b"urgent") + 1


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    for at_most in (1, 10, 20):
        urgent, ordinary = create(bootstrap, f"{topic}-{at_most}")
        place = place_of_the_urgent_order(bootstrap, urgent, ordinary, at_most)
        print(f"batches of {at_most}: the urgent order was number {place}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Urgent orders overtake those that wait, because they have a topic of their own.

Watch the consumer: before each record it asks how far the urgent topic reaches.
"""

import sys
import time
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

URGENT = {4, 6}


def create(bootstrap, topic):
    """Create a topic for each priority; return their partitions, the urgent first."""
    names = [f"{topic}-urgent", topic]
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        topics = {each: {"num_partitions": 1} for each in names}
        admin.create_topics(topics, wait_for_metadata=True)
    return [TopicPartition(each, 0) for each in names]


def send_orders(bootstrap, urgent, ordinary, count):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for number in range(1, count + 1):
            topic = urgent.topic if number in URGENT else ordinary.topic
            producer.send(topic, str(number).encode()).get(timeout=10)


def receive(bootstrap, urgent, ordinary, count):
    """Take one order after the other; return their numbers."""
    with KafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest"
    ) as consumer:
        consumer.assign([ordinary, urgent])
        numbers, deadline = [], time.monotonic() + 30
        while len(numbers) < count and time.monotonic() < deadline:
            if consumer.position(urgent) < consumer.end_offsets([urgent])[urgent]:
                consumer.pause(ordinary)
            else:
                consumer.resume(ordinary)
            for records in consumer.poll(timeout_ms=500, max_records=1).values():
                numbers += [int(record.value) for record in records]
        return numbers


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    urgent, ordinary = create(bootstrap, topic)
    send_orders(bootstrap, urgent, ordinary, 7)
    print(f"two topics: {receive(bootstrap, urgent, ordinary, 7)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

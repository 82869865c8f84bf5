"""An order in the ordinary topic waits as long as urgent ones keep coming.

Watch its place: each urgent order is sent while the one before is being worked on.
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


def next_order(consumer, urgent, ordinary):
    """Return an ordinary order only if the urgent topic is read to its end."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if consumer.position(urgent) < consumer.end_offsets([urgent])[urgent]:
            consumer.pause(ordinary)
        else:
            consumer.resume(ordinary)
        for (record,) in consumer.poll(timeout_ms=500, max_records=1).values():
            return record.value
    raise TimeoutError("No order came.")


def place_of_the_ordinary_order(bootstrap, urgent, ordinary, count):
    """Work while `count` urgent orders come one by one; return when the other came."""
    with (
        KafkaProducer(bootstrap_servers=bootstrap) as producer,
        KafkaConsumer(
            bootstrap_servers=bootstrap, auto_offset_reset="earliest"
        ) as consumer,
    ):
        consumer.assign([ordinary, urgent])
        producer.send(urgent.topic, b"urgent").get(timeout=10)
        producer.send(ordinary.topic, b"ordinary").get(timeout=10)
        place = 1
        while next_order(consumer, urgent, ordinary) != b"ordinary":
            if place < count:
                producer.send(urgent.topic, b"urgent").get(timeout=10)
            place += 1
        return place


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    urgent, ordinary = create(bootstrap, topic)
    place = place_of_the_ordinary_order(bootstrap, urgent, ordinary, 200)
    print(f"two topics: 200 urgent orders, the ordinary one was number {place}")


if __name__ == "__main__":
    main(*sys.argv[1:])

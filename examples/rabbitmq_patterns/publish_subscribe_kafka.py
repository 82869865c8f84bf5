"""A group goes on where it stopped; a reader without a group begins at the end, and
does not see what came while it was away.

Watch order 2: it is placed while nobody is there.
"""

import sys
import time
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition


def create(bootstrap, topic):
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: {"num_partitions": 1}}, wait_for_metadata=True)


def subscribe(bootstrap, topic, group=None):
    """Return a reader that stands in the group's place, or without one at the end."""
    reader = KafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest" if group else "latest",  # If it has no place yet.
    )
    reader.assign([TopicPartition(topic, 0)])
    reader.position(TopicPartition(topic, 0))  # It asks for the place only now.
    return reader


def publish(bootstrap, topic, event):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        producer.send(topic, event.encode()).get(timeout=10)


def read_all(reader):
    """Take events up to the end of the topic."""
    (partition,) = reader.assignment()
    end = reader.end_offsets([partition])[partition]
    events, deadline = [], time.monotonic() + 20
    while reader.position(partition) < end:
        if time.monotonic() > deadline:
            raise TimeoutError("The reader has not come to the end of the topic.")
        for records in reader.poll(timeout_ms=1000).values():
            events += [record.value.decode() for record in records]
    return events


def connect_and_read(bootstrap, topic, event):
    """Let both subscribers come, publish an event, and let them read and go."""
    with (
        subscribe(bootstrap, topic, f"{topic}-billing") as billing,
        subscribe(bootstrap, topic) as dashboard,
    ):
        publish(bootstrap, topic, event)
        print(f"billing, a group:     {read_all(billing)}")
        print(f"dashboard, no group:  {read_all(dashboard)}")


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    create(bootstrap, topic)
    connect_and_read(bootstrap, topic, "order 1 placed")
    publish(bootstrap, topic, "order 2 placed")
    print("both were away when order 2 was placed")
    connect_and_read(bootstrap, topic, "order 3 placed")


if __name__ == "__main__":
    main(*sys.argv[1:])

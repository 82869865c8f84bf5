"""Retention removes whole segments from the old end of the log, read or not.

Watch what is left: more than the limit of size, since a segment goes only when the
rest still fills the limit, and nothing at all once the limit of time has passed.
"""

import sys
import time
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource

MIB = 1024 * 1024


def create(bootstrap, topic, **configs):
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: {"configs": configs}}, wait_for_metadata=True)


def send_orders(bootstrap, topic, count):
    """Send orders of 100 KiB; ten of them fit into a segment of 1 MiB."""
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for _ in range(count):
            producer.send(topic, bytes(100 * 1024)).get(timeout=10)


def keep_for(bootstrap, topic, milliseconds):
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        configs = {"retention.ms": milliseconds}
        admin.alter_configs([ConfigResource("TOPIC", topic, configs)])


def first_and_next(bootstrap, topic, above):
    """Wait until the first offset is greater than `above` and has been the same for
    two seconds; return it and the offset that the next record will get.
    """
    partition = TopicPartition(topic, 0)
    first, since, deadline = above, time.monotonic(), time.monotonic() + 60
    with KafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        while first <= above or time.monotonic() < since + 2:
            if time.monotonic() > deadline:
                raise TimeoutError("Within a minute the broker has removed nothing.")
            time.sleep(0.1)
            now = consumer.beginning_offsets([partition])[partition]
            if now != first:
                first, since = now, time.monotonic()
        return first, consumer.end_offsets([partition])[partition]


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    sizes = {"segment.bytes": MIB, "retention.bytes": 2 * MIB}
    create(bootstrap, topic, **sizes)
    send_orders(bootstrap, topic, 45)
    print("sent: 45 orders of 100 KiB, in segments of 1 MiB")
    first, end = first_and_next(bootstrap, topic, above=0)
    print(f"limit 2 MiB: {end - first} orders are left, the first at offset {first}")
    keep_for(bootstrap, topic, 1000)
    first, end = first_and_next(bootstrap, topic, above=first)
    print(f"limit 1 second: {end - first} orders are left, the next offset is {end}")


if __name__ == "__main__":
    main(*sys.argv[1:])

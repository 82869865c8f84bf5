"""A consumer goes back to an offset and reads the same records again.

Watch the committed offset: going back does not move it, only a commit does.
"""

import sys
from itertools import islice
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer, TopicPartition


def send_orders(bootstrap, topic, count):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for number in range(count):
            producer.send(topic, f"order {number}".encode()).get(timeout=10)


def read(consumer, count):
    """Read `count` records; return them as {offset: order}."""
    return {each.offset: each.value.decode() for each in islice(consumer, count)}


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    send_orders(bootstrap, topic, 5)
    partition = TopicPartition(topic, 0)
    with KafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=f"{topic}-workers",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        consumer_timeout_ms=10000,
    ) as consumer:
        consumer.assign([partition])
        print(f"read: {read(consumer, 5)}")
        consumer.commit()
        consumer.seek(partition, 3)
        print(f"the next one to read is {consumer.position(partition)}", end=", ")
        print(f"and {consumer.committed(partition)} is committed")
        print(f"again from offset 3: {read(consumer, 2)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

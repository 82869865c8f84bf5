"""A burst of orders is taken at once, and a steady consumer works it off.

Watch the lag, which is what the group has not handled yet: it jumps and then
shrinks evenly.
"""

import sys
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer, TopicPartition


def send_burst(bootstrap, topic, count):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        sent = [
            producer.send(topic, f"order {n}".encode()) for n in range(1, count + 1)
        ]
        for each in sent:
            each.get(timeout=10)


def lag(consumer, partition):
    """Return how many records of the partition the group has not committed."""
    end = consumer.end_offsets([partition])[partition]
    return end - (consumer.committed(partition) or 0)


def work_off(bootstrap, topic, batch):
    """Handle `batch` orders at a time and commit; yield the lag before the
    first and after each.
    """
    partition = TopicPartition(topic, 0)
    with KafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=f"{topic}-workers",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_poll_records=batch,
    ) as consumer:
        consumer.assign([partition])
        yield lag(consumer, partition)
        while consumer.poll(timeout_ms=2000):
            consumer.commit()
            yield lag(consumer, partition)


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    send_burst(bootstrap, topic, 60)
    print("60 orders sent")
    for depth in work_off(bootstrap, topic, 10):
        print(f"{depth:2} waiting {'#' * (depth // 2)}".rstrip())


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Compaction keeps the latest record of each key in the part of the log that it has
cleaned, and never touches the newest segment.

Watch the offsets: records keep their numbers, and what was removed leaves a gap.
"""

import sys
import time
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

CONFIGS = {
    "cleanup.policy": "compact",
    "segment.ms": 100,  # A record that comes later than this begins a segment.
    "min.cleanable.dirty.ratio": 0.01,  # Clean early; the default is at half.
    "delete.retention.ms": 100,  # How long a tombstone stays; the default is a day.
}


def create(bootstrap, topic):
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: {"configs": CONFIGS}}, wait_for_metadata=True)


def text(offset, key, price):
    return f"{offset} {key.decode()}={price.decode() if price else '(none)'}"


def write_segment(bootstrap, topic, *prices):
    """Write (key, price) pairs as a new segment, None for a tombstone; return them."""
    time.sleep(0.2)  # More than segment.ms since the last record.
    with KafkaProducer(bootstrap_servers=bootstrap, linger_ms=5000) as producer:
        sent = [producer.send(topic, price, key=key) for key, price in prices]
        producer.flush(timeout=10)  # They are one batch, so they share a segment.
    offsets = [each.get(timeout=10).offset for each in sent]
    return [text(at, *price) for at, price in zip(offsets, prices, strict=True)]


def read_all(bootstrap, topic):
    """Return what the log holds, as a list of "offset key=price"."""
    partition, found = TopicPartition(topic, 0), []
    with KafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest"
    ) as consumer:
        consumer.assign([partition])
        end = consumer.end_offsets([partition])[partition]
        while consumer.position(partition) < end:
            for record in consumer.poll(timeout_ms=1000).get(partition, []):
                found.append(text(record.offset, record.key, record.value))
    return found


def read_when_compacted(bootstrap, topic, count):
    """Wait until the log holds fewer than `count` records and two readings in a row
    agree; return what it holds.
    """
    before, deadline = [], time.monotonic() + 60
    while (now := read_all(bootstrap, topic)) != before or len(now) >= count:
        if time.monotonic() > deadline:
            raise TimeoutError("Within a minute the broker has compacted nothing.")
        before = now
    return now


def main(bootstrap="localhost:9092", topic=f"prices-{uuid4().hex[:8]}"):
    create(bootstrap, topic)
    lamp, book, pen = b"lamp", b"book", b"pen"
    first = (lamp, b"30"), (book, b"9"), (lamp, b"31"), (pen, b"2"), (pen, None)
    print("written:  ", *write_segment(bootstrap, topic, *first), sep="  ")
    second = (book, b"10"), (book, b"11")
    print("written:  ", *write_segment(bootstrap, topic, *second), sep="  ")
    print("compacted:", *read_when_compacted(bootstrap, topic, 7), sep="  ")
    print("written:  ", *write_segment(bootstrap, topic, (lamp, b"32")), sep="  ")
    print("compacted:", *read_when_compacted(bootstrap, topic, 6), sep="  ")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Kafka's broker does not look into records, so a reader gets all of them and filters.

Watch the pager: it is sent six events to keep two.
"""

import sys
from itertools import islice
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer

EVENTS = [
    ("info", "order 1 placed"),
    ("warning", "payment 1 is late"),
    ("error", "payment 1 refused"),
    ("info", "order 2 placed"),
    ("error", "shipment 2 lost"),
    ("info", "order 3 placed"),
]


def publish(bootstrap, topic):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for severity, event in EVENTS:
            headers = [("severity", severity.encode())]
            producer.send(topic, event.encode(), headers=headers).get(timeout=10)


def read(bootstrap, topic, group):
    """Return every record of the topic, as the group `group`."""
    with KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=f"{topic}-{group}",
        auto_offset_reset="earliest",
        consumer_timeout_ms=10000,
    ) as consumer:
        return list(islice(consumer, len(EVENTS)))


def keep(records, severities):
    """Return the events of these severities."""
    return [
        record.value.decode()
        for record in records
        if dict(record.headers)["severity"].decode() in severities
    ]


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    publish(bootstrap, topic)
    records = read(bootstrap, topic, "pager")
    print(f"pager:   {', '.join(keep(records, ['error']))}")
    journal = keep(read(bootstrap, topic, "journal"), ["info", "warning", "error"])
    print(f"journal: {', '.join(journal)}")
    print(f"the pager was sent {len(records)} of {len(EVENTS)} events")


if __name__ == "__main__":
    main(*sys.argv[1:])

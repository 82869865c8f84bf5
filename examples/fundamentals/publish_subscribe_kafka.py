"""Every subscriber gets its own copy, and one that comes late can still read
what was before.

Watch the audit: it subscribes after the fact and reads the order from the log.
"""

import sys
from itertools import islice
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer


def publish(bootstrap, topic, event):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        producer.send(topic, event.encode()).get(timeout=10)


def read_as(group, bootstrap, topic, count):
    """Read up to `count` events as the group `group`; each group has an offset
    of its own.
    """
    with KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=f"{topic}-{group}",
        auto_offset_reset="earliest",  # Where a group without an offset starts.
        consumer_timeout_ms=10000,
    ) as consumer:
        return [record.value.decode() for record in islice(consumer, count)]


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    publish(bootstrap, topic, "order 1 placed")
    print(f"billing:  {read_as('billing', bootstrap, topic, 1)}")
    print(f"shipping: {read_as('shipping', bootstrap, topic, 1)}")
    publish(bootstrap, topic, "order 2 placed")
    print(f"audit, late: {read_as('audit', bootstrap, topic, 2)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A topic cannot do what an event store does: it accepts a version twice, and gives an
order's events only together with all the others of the partition.

Watch the two version 4s, and the number of records read to load the five of one order.
"""

import json
import sys
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

ORDERS = [f"order {number}" for number in range(50)]


def append(producer, topic, order, version, kind):
    """Send an event, keyed by its order; the broker does not look at the version."""
    value = json.dumps([version, kind]).encode()
    return producer.send(topic, value, key=order.encode()).get(timeout=10)


def load(bootstrap, topic, order):
    """Return an order's events, and how many records were read to find them."""
    partition, events, read = TopicPartition(topic, 0), [], 0
    with KafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest"
    ) as consumer:
        consumer.assign([partition])
        end = consumer.end_offsets([partition])[partition]
        while consumer.position(partition) < end:
            for record in consumer.poll(timeout_ms=1000).get(partition, []):
                read += 1
                if record.key.decode() == order:
                    events.append(json.loads(record.value))
    return events, read


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: {"num_partitions": 1}}, wait_for_metadata=True)
    with (
        KafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True) as ann,
        KafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True) as ben,
    ):
        for version, kind in enumerate(["placed", "lamp added", "book added"], 1):
            for order in ORDERS:
                append(ann, topic, order, version, kind)
        version, kind = load(bootstrap, topic, "order 7")[0][-1]
        print(f"Ann and Ben read version {version}: {kind}")
        append(ann, topic, "order 7", version + 1, "shipped")
        append(ben, topic, "order 7", version + 1, "cancelled")
    events, read = load(bootstrap, topic, "order 7")
    print(f"order 7: {events}")
    print(f"read to find these {len(events)}: {read}")


if __name__ == "__main__":
    main(*sys.argv[1:])

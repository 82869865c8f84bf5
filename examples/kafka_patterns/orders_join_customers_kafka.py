"""Each order is joined with what the table of customers says at that moment.

Watch Ann's three orders: the first comes before she is known, and before the third she
moves.
"""

import time
from itertools import islice
from pathlib import Path
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

JAVA = Path(__file__).with_suffix(".java")


def send_one_by_one(bootstrap, application, records):
    """Send each record when the application has committed the one before it."""
    with (
        KafkaProducer(bootstrap_servers=bootstrap) as producer,
        KafkaAdminClient(bootstrap_servers=bootstrap) as admin,
    ):
        for topic, customer, value in records:
            sent = producer.send(topic, value, key=customer).get(timeout=10)
            wait_until_committed(admin, application, sent)


def wait_until_committed(admin, application, record):
    partition = TopicPartition(record.topic, record.partition)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        offsets = admin.list_group_offsets({application: [partition]})
        if offsets[application][partition].offset > record.offset:
            return
        time.sleep(0.02)
    raise TimeoutError(f"{application} has not committed {record}.")


def receive_parcels(bootstrap, topic, count):
    with KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=10000,
    ) as consumer:
        return [record.value.decode() for record in islice(consumer, count)]


def main(bootstrap, streams, topic=f"orders-{uuid4().hex[:8]}"):
    orders, customers, parcels = topic, f"{topic}-customers", f"{topic}-parcels"
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics([orders, customers, parcels], wait_for_metadata=True)
    application = f"{topic}-app"
    settings = {"application.id": application, "commit.interval.ms": "100"}
    records = [
        (orders, b"ann", b"order 1"),
        (customers, b"ann", b"Berlin"),
        (orders, b"ann", b"order 2"),
        (customers, b"ann", b"Paris"),
        (orders, b"ann", b"order 3"),
    ]
    with streams(JAVA, settings, orders, customers, parcels):
        send_one_by_one(bootstrap, application, records)
        print(f"parcels: {receive_parcels(bootstrap, parcels, 2)}")

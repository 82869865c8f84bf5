"""A CloudEvent travels as headers beside its data, or whole in the record's value.

Watch which record can be routed by its type unread, and what tells a duplicate.
"""

import sys
from datetime import UTC, datetime
from itertools import islice
from textwrap import wrap
from uuid import uuid4

from cloudevents.core.bindings.kafka import (
    KafkaMessage,
    from_kafka_event,
    to_binary_event,
    to_structured_event,
)
from cloudevents.core.exceptions import CloudEventValidationError
from cloudevents.core.v1.event import CloudEvent
from kafka import KafkaConsumer, KafkaProducer, TopicPartition


def event(kind, number, data, media_type="application/json"):
    """Return an event of the shop; the SDK refuses one without a required attribute."""
    attributes = {
        "id": f"{kind}-{number}",
        "source": "/shop/checkout",
        "type": f"shop.{kind}",
        "time": datetime(2026, 1, 1, tzinfo=UTC),
        "datacontenttype": media_type,
        "partitionkey": "ann",  # By the binding the record's key.
    }
    return CloudEvent(attributes, data)


def send(bootstrap, topic, messages):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for each in messages:
            headers, key = list(each.headers.items()), each.key.encode()
            producer.send(topic, each.value, key, headers=headers).get(timeout=10)


def receive(bootstrap, topic, count):
    """Return the first records of the topic as the SDK's messages."""
    with KafkaConsumer(
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=20000,
    ) as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        records = list(islice(consumer, count))
    return [KafkaMessage(dict(each.headers), each.key, each.value) for each in records]


def handle(message, seen):
    """Say what becomes of the message; only an order's data is read."""
    kind = message.headers.get("ce_type", b"").decode()
    if kind and kind != "shop.order":
        return f"{kind}: not for this service, its data was not read"
    order = from_kafka_event(message)
    name = order.get_source(), order.get_id()
    if name in seen:
        return f"{order.get_type()}: a duplicate, {order.get_id()} is known"
    seen.add(name)
    return f"{order.get_type()}: handled {order.get_data()}"


def show(message):
    for name, value in sorted(message.headers.items()):
        print(f"  {name}: {value.decode()}")
    print(f"  key: {message.key.decode()}")
    for line in wrap(message.value.decode(), 70):
        print(f"    {line}")


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    order = event("order", 1, {"price": 12})
    payment = event("payment", 1, b"no JSON", "application/octet-stream")
    forms = [to_binary_event(order), to_structured_event(order)]
    send(bootstrap, topic, [*forms, to_binary_event(payment)])
    binary, structured, other = receive(bootstrap, topic, 3)
    for mode, message in (("binary", binary), ("structured", structured)):
        print(f"{mode}:")
        show(message)
    seen = set()
    for message in (binary, structured, other):
        print(handle(message, seen))
    try:
        CloudEvent({"type": "shop.order"}, {"price": 12})
    except CloudEventValidationError as error:
        print(f"the SDK refuses an event without: {', '.join(error.errors)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

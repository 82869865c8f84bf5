"""A CloudEvent travels as headers beside its data, or whole in the message's body.

Watch which message can be routed by its type unread, and what tells a duplicate.
"""

import sys
from datetime import UTC, datetime
from itertools import islice
from textwrap import wrap
from uuid import uuid4

import pika
from cloudevents.core.bindings.rabbitmq import (
    RabbitMQMessage,
    from_rabbitmq_event,
    to_binary_event,
    to_structured_event,
)
from cloudevents.core.exceptions import CloudEventValidationError
from cloudevents.core.v1.event import CloudEvent


def event(kind, number, data, media_type="application/json"):
    """Return an event of the shop; the SDK refuses one without a required attribute."""
    attributes = {
        "id": f"{kind}-{number}",
        "source": "/shop/checkout",
        "type": f"shop.{kind}",
        "time": datetime(2026, 1, 1, tzinfo=UTC),
        "datacontenttype": media_type,
    }
    return CloudEvent(attributes, data)


def send(url, queue, messages):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        quorum = {"x-queue-type": "quorum"}
        channel.queue_declare(queue, durable=True, arguments=quorum)
        for each in messages:
            about = pika.BasicProperties(each.content_type, headers=each.headers)
            channel.basic_publish("", queue, each.body, about)


def receive(url, queue, count):
    """Take messages from the queue and return them as the SDK's messages."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        messages = channel.consume(queue, auto_ack=True, inactivity_timeout=20)
        return [
            RabbitMQMessage(about.headers or {}, about.content_type, body)
            for _, about, body in islice(messages, count)
        ]


def handle(message, seen):
    """Say what becomes of the message; only an order's data is read."""
    kind = message.headers.get("ce-type", "")
    if kind and kind != "shop.order":
        return f"{kind}: not for this service, its data was not read"
    order = from_rabbitmq_event(message)
    name = order.get_source(), order.get_id()
    if name in seen:
        return f"{order.get_type()}: a duplicate, {order.get_id()} is known"
    seen.add(name)
    return f"{order.get_type()}: handled {order.get_data()}"


def show(message):
    for name, value in sorted(message.headers.items()):
        print(f"  {name}: {value}")
    print(f"  content_type: {message.content_type}")
    for line in wrap(message.body.decode(), 70):
        print(f"    {line}")


def main(url="amqp://guest:guest@localhost:5672/", queue=f"orders-{uuid4().hex[:8]}"):
    order = event("order", 1, {"price": 12})
    payment = event("payment", 1, b"no JSON", "application/octet-stream")
    forms = [to_binary_event(order), to_structured_event(order)]
    send(url, queue, [*forms, to_binary_event(payment)])
    binary, structured, other = receive(url, queue, 3)
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

"""A stream of RabbitMQ is no event store either: it accepts a version twice, and its
filter by key is a hint that the reader has to check.

Watch the two version 4s, and the number of messages read to load one order.
"""

import json
import sys
from uuid import uuid4

import pika

ORDERS = [f"order {number}" for number in range(50)]


def append(channel, stream, order, version, kind):
    """Send an event, marked with its order; the broker does not look at the version."""
    properties = pika.BasicProperties(headers={"x-stream-filter-value": order})
    event = json.dumps([order, version, kind]).encode()
    channel.basic_publish("", stream, event, properties)


def load(channel, stream, order, **arguments):
    """Return an order's events, and how many messages were read to find them."""
    arguments |= {"x-stream-offset": "first"}
    messages = []
    for method, _, body in channel.consume(
        stream, arguments=arguments, inactivity_timeout=2
    ):
        if method is None:  # None has come for two seconds.
            channel.cancel()
            break
        messages.append(json.loads(body))
        channel.basic_ack(method.delivery_tag)
    return [event for name, *event in messages if name == order], len(messages)


def main(url="amqp://guest:guest@localhost:5672/", stream=f"orders-{uuid4().hex[:8]}"):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        ann, ben = connection.channel(), connection.channel()
        for channel in (ann, ben):
            channel.confirm_delivery()
            channel.basic_qos(prefetch_count=100)  # A stream insists on a limit.
        ann.queue_declare(stream, durable=True, arguments={"x-queue-type": "stream"})
        for version, kind in enumerate(["placed", "lamp added", "book added"], 1):
            for order in ORDERS:
                append(ann, stream, order, version, kind)
        version, kind = load(ann, stream, "order 7")[0][-1]
        print(f"Ann and Ben read version {version}: {kind}")
        append(ann, stream, "order 7", version + 1, "shipped")
        append(ben, stream, "order 7", version + 1, "cancelled")
        events, read = load(ann, stream, "order 7")
        print(f"order 7: {events}")
        print(f"read to find these {len(events)}: {read}")
        wanted = {"x-stream-filter": "order 7"}
        events, fewer = load(ann, stream, "order 7", **wanted)
        few = fewer * 10 <= read
        print(f"with the filter the same {len(events)}, at most a tenth read: {few}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""In a binding key of a topic exchange `*` is one word, and `#` is zero or more.

Watch `order.#`, which matches `order`, and `*.error`, which does not match
`payment.card.error`. A queue with two bindings that match gets one copy.
"""

import sys
from functools import partial
from uuid import uuid4

import pika

PATTERNS = ["order.*", "order.#", "*.error", "#.error", "payment.*.error"]
KEYS = [
    "order",
    "order.placed",
    "order.placed.late",
    "error",
    "payment.error",
    "payment.card.error",
]


def bind(channel, exchange, patterns):
    """Return a new queue, which goes with the connection, bound with `patterns`."""
    queue = channel.queue_declare("", exclusive=True).method.queue
    for pattern in patterns:
        channel.queue_bind(queue, exchange, routing_key=pattern)
    return queue


def take_all(channel, queue):
    """Take what is in the queue; return the routing keys."""
    get = partial(channel.basic_get, queue, auto_ack=True)
    return [method.routing_key for method, _, _ in iter(get, (None, None, None))]


def main(
    url="amqp://guest:guest@localhost:5672/", exchange=f"events-{uuid4().hex[:8]}"
):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.exchange_declare(exchange, "topic", durable=True)
        queues = [bind(channel, exchange, [pattern]) for pattern in PATTERNS]
        both = bind(channel, exchange, ["order.*", "order.#"])
        for key in KEYS:
            channel.basic_publish(exchange, key, b"")
        for pattern, queue in zip(PATTERNS, queues, strict=True):
            print(f"{pattern:15}  {', '.join(take_all(channel, queue))}")
        print("order.* and order.# on one queue:")
        print(f"{'':15}  {', '.join(take_all(channel, both))}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A topic exchange compares the words of a key: `*` is one word, `#` any number.

Watch `audit` and `error`: a key of one word is matched by `#`, which is also no word.
"""

import sys
from uuid import uuid4

import pika

KEYS = [
    "audit",
    "audit.error",
    "audit.order.error",
    "error",
    "order.eu.created",
    "payment.error",
]
PATTERNS = ["audit.#", "audit.*", "*.error", "#.error"]


def bind(channel, exchange, pattern):
    """Bind a queue of its own to the exchange with the pattern; return its name."""
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, exchange, routing_key=pattern)
    return queue


def publish(channel, exchange):
    channel.confirm_delivery()
    for key in KEYS:
        channel.basic_publish(exchange, key, b"an event")


def read_keys(channel, queue):
    """Take events until none has come for a second; return their keys."""
    keys = []
    for method, _, _ in channel.consume(queue, auto_ack=True, inactivity_timeout=1):
        if method is None:
            channel.cancel()
            return keys
        keys.append(method.routing_key)


def main(url="amqp://localhost", exchange=f"events-{uuid4().hex[:8]}"):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.exchange_declare(exchange, "topic", durable=True)
        queues = {each: bind(channel, exchange, each) for each in PATTERNS}
        publish(channel, exchange)
        for pattern, queue in queues.items():
            print(f"{pattern} gets {', '.join(read_keys(channel, queue))}")


if __name__ == "__main__":
    main(*sys.argv[1:])

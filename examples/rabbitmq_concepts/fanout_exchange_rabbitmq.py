"""A fanout exchange copies each message to every bound queue, whatever its routing key.

Watch the audit, which is bound twice with two keys: its queue gets one copy of each
message, as the others do.
"""

import sys
from functools import partial
from uuid import uuid4

import pika


def bind(channel, exchange, subscriber, keys):
    """Give `subscriber` a queue with a binding for each key; return its name."""
    queue = f"{exchange}-{subscriber}"
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    for key in keys:
        channel.queue_bind(queue, exchange, routing_key=key)
    return queue


def publish(channel, exchange, key, order):
    channel.basic_publish(exchange, key, f"{order} {key}".encode())


def take_all(channel, queue):
    get = partial(channel.basic_get, queue, auto_ack=True)
    return [body.decode() for _, _, body in iter(get, (None, None, None))]


def main(
    url="amqp://guest:guest@localhost:5672/", exchange=f"orders-{uuid4().hex[:8]}"
):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.exchange_declare(exchange, "fanout", durable=True)
        billing = bind(channel, exchange, "billing", [""])
        shipping = bind(channel, exchange, "shipping", ["paid"])
        audit = bind(channel, exchange, "audit", ["placed", "paid"])
        for key in ("placed", "paid", "cancelled"):
            publish(channel, exchange, key, "order 7")
        print(f"billing, bound with no key:      {take_all(channel, billing)}")
        print(f"shipping, bound with paid:       {take_all(channel, shipping)}")
        print(f"audit, bound with placed, paid:  {take_all(channel, audit)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

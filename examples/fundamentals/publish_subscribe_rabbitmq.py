"""Every subscriber gets its own copy, and one that comes late has missed what
was before.

Watch the audit: its queue gets copies from the moment it is bound, and none
from before.
"""

import sys
from uuid import uuid4

import pika


def subscribe(channel, exchange, subscriber):
    """Give `subscriber` a queue of its own, bound to the exchange; return the
    queue's name.
    """
    channel.exchange_declare(exchange, "fanout", durable=True)
    queue = f"{exchange}-{subscriber}"
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    channel.queue_bind(queue, exchange)
    return queue


def publish(channel, exchange, event):
    channel.basic_publish(exchange, "", event.encode())


def read_all(channel, queue):
    """Take events from the queue until none has come for a second."""
    events = []
    for method, _, body in channel.consume(queue, inactivity_timeout=1):
        if method is None:
            channel.cancel()
            return events
        channel.basic_ack(method.delivery_tag)
        events.append(body.decode())


def main(url="amqp://localhost", exchange=f"orders-{uuid4().hex[:8]}"):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        billing = subscribe(channel, exchange, "billing")
        shipping = subscribe(channel, exchange, "shipping")
        publish(channel, exchange, "order 1 placed")
        print(f"billing:  {read_all(channel, billing)}")
        print(f"shipping: {read_all(channel, shipping)}")
        audit = subscribe(channel, exchange, "audit")
        publish(channel, exchange, "order 2 placed")
        print(f"audit, late: {read_all(channel, audit)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

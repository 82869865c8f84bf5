"""A durable queue keeps what comes while its subscriber is away; a temporary one is
gone with its subscriber, and so is what comes meanwhile.

Watch order 2: it is placed while nobody is there.
"""

import sys
import time
from uuid import uuid4

import pika
from pika.exceptions import ChannelClosedByBroker


def subscribe(channel, exchange, name=None):
    """Bind a durable queue of this name, or without one a temporary queue that the
    broker names; return the queue's name.
    """
    channel.exchange_declare(exchange, "fanout", durable=True)
    if name:
        arguments = {"x-queue-type": "quorum"}
        channel.queue_declare(name, durable=True, arguments=arguments)
    else:
        name = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(name, exchange)
    return name


def publish(url, exchange, event):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
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


def wait_until_gone(url, queue):
    """Wait until the broker has deleted a temporary queue, a moment after its
    connection has closed: until then it may still get an event, and refuse it.
    """
    deadline = time.monotonic() + 30
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        while time.monotonic() < deadline:
            try:
                connection.channel().queue_declare(queue, passive=True)
            except ChannelClosedByBroker as error:
                if error.reply_code == 404:  # Before it was 405: somebody else's.
                    return


def connect_and_read(url, exchange, event):
    """Let both subscribers come, publish an event, and let them read and go."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        billing = subscribe(channel, exchange, f"{exchange}-billing")
        dashboard = subscribe(channel, exchange)
        publish(url, exchange, event)
        print(f"billing, durable:     {read_all(channel, billing)}")
        print(f"dashboard, temporary: {read_all(channel, dashboard)}")
    wait_until_gone(url, dashboard)


def main(url="amqp://localhost", exchange=f"orders-{uuid4().hex[:8]}"):
    connect_and_read(url, exchange, "order 1 placed")
    publish(url, exchange, "order 2 placed")
    print("both were away when order 2 was placed")
    connect_and_read(url, exchange, "order 3 placed")


if __name__ == "__main__":
    main(*sys.argv[1:])

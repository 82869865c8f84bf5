"""A full queue refuses new messages, and a publisher that waits for confirms is told.

Watch the quorum queue: it tells its publishers to stop, and takes one order too many.
"""

import sys
from uuid import uuid4

import pika
from pika.exceptions import NackError

LIMIT = 3


def declare(url, queue, kind):
    rejecting = {"x-max-length": LIMIT, "x-overflow": "reject-publish"}
    arguments = {"x-queue-type": kind, **rejecting}
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        connection.channel().queue_declare(queue, durable=True, arguments=arguments)


def send_orders(url, queue, count):
    """Send orders, waiting for the broker's answer to each; return the refused."""
    refused = []
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for number in range(1, count + 1):
            order = f"order {number}"
            try:
                channel.basic_publish("", queue, order.encode())
            except NackError:
                refused.append(order)
    return refused


def receive(url, queue):
    """Return every order in the queue, until none has come for a second."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        orders = []
        for method, _, body in channel.consume(queue, inactivity_timeout=1):
            if method is None:
                return orders
            channel.basic_ack(method.delivery_tag)
            orders.append(body.decode())


def main(url="amqp://localhost", queue=f"orders-{uuid4().hex[:8]}"):
    for kind in ("classic", "quorum"):
        name = f"{queue}-{kind}"
        declare(url, name, kind)
        print(f"{kind} queue, limit {LIMIT}: refused {send_orders(url, name, 6)}")
        print(f"  left: {receive(url, name)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

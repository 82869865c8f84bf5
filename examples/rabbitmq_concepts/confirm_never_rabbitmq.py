"""Publish all orders and ask for no confirm: the publisher takes them for stored.

Watch the last order: the queue refuses it, and the publisher does not learn of that.
"""

import sys
from uuid import uuid4

import pika
from pika.exceptions import NackError

COUNT = 2000
PERSISTENT = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)


def declare(url, queue):
    """Declare a classic queue that refuses the last of the orders."""
    refusing = {"x-max-length": COUNT - 1, "x-overflow": "reject-publish"}
    arguments = {"x-queue-type": "classic", **refusing}
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        connection.channel().queue_declare(queue, durable=True, arguments=arguments)


def send_orders(url, queue, count, confirms):
    """Send orders of 1 KiB; return those known to be refused."""
    refused = []
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        if confirms:
            channel.confirm_delivery()
        for number in range(1, count + 1):
            order = f"order {number}"
            try:
                channel.basic_publish("", queue, order.ljust(1024).encode(), PERSISTENT)
            except NackError:
                refused.append(order)
    return refused


def count(url, queue):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        answer = connection.channel().queue_declare(queue, passive=True)
        return answer.method.message_count


def main(url="amqp://localhost", queue=f"orders-{uuid4().hex[:8]}"):
    for kind, confirms in (("a confirm for each", True), ("no confirms", False)):
        name = f"{queue}-{confirms}"
        declare(url, name)
        refused = send_orders(url, name, COUNT, confirms)
        print(f"{kind}: sent {COUNT}, refused as far as is known: {refused}")
        print(f"  found: {count(url, name)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Publish an order, wait for its confirm, publish the next.

Watch the last order: the queue is full, and the publisher knows which one it refused.
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


def send_orders(url, queue, count):
    """Send orders of 1 KiB, each when the one before is confirmed; return the refused.

    The refused could be sent again, or be kept for a person to look at.
    """
    refused = []
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()  # From here on basic_publish waits for the broker.
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
    declare(url, queue)
    refused = send_orders(url, queue, COUNT)
    print(f"sent: {COUNT}, confirmed: {COUNT - len(refused)}, refused: {refused}")
    print(f"found: {count(url, queue)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

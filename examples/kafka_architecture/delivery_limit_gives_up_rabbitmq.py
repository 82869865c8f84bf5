"""In a quorum queue one message can be returned, refused, or given up after more
failures than its limit, and the others go on.

Watch the last order: a limit of five allows five failures after the first delivery.
"""

import sys
from collections import Counter
from uuid import uuid4

import pika

ORDERS = ["is done", "fails once", "is refused", "always fails"]


def send_orders(url, queue):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        arguments = {"x-queue-type": "quorum", "x-delivery-limit": 5}
        channel.queue_declare(queue, durable=True, arguments=arguments)
        for order in ORDERS:
            channel.basic_publish("", queue, order.encode())


def answer(channel, tag, order, delivery):
    """Answer the delivery with this number of an order."""
    if order == "is refused":
        channel.basic_reject(tag, requeue=False)  # Never again, to nobody.
    elif order == "always fails" or (order == "fails once" and delivery == 1):
        channel.basic_reject(tag, requeue=True)  # Again, to anybody.
    else:
        channel.basic_ack(tag)


def work(url, queue):
    """Handle orders until none has come for three seconds; return how often each was
    delivered.
    """
    deliveries = Counter()
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        for method, _, body in channel.consume(queue, inactivity_timeout=3):
            if method is None:
                return deliveries
            order = body.decode()
            deliveries[order] += 1
            answer(channel, method.delivery_tag, order, deliveries[order])


def main(url="amqp://localhost", queue=f"orders-{uuid4().hex[:8]}"):
    send_orders(url, queue)
    deliveries = work(url, queue)
    for order in ORDERS:
        print(f"the order that {order}: deliveries: {deliveries[order]}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A worker that takes too long for one message loses it, and its consumer is cancelled.

Watch the order: worker 2 gets it too, and the late acknowledgement raises no error.
"""

import sys
from uuid import uuid4

import pika


def send_order(url, queue, order):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        # How long a worker may hold a message that it has not acknowledged.
        arguments = {"x-queue-type": "quorum", "x-consumer-timeout": 3000}
        channel.queue_declare(queue, durable=True, arguments=arguments)
        channel.basic_publish("", queue, order.encode())


def pack(orders, name):
    """Take one order; return the tag by which it is acknowledged."""
    method, _, body = next(orders)
    again = " (redelivered)" if method.redelivered else ""
    print(f"{name} packs {body.decode()}{again}")
    return method.delivery_tag


def acknowledge(channel, name, tag):
    channel.basic_ack(tag)
    print(f"{name} has acknowledged")


def main(url="amqp://guest:guest@localhost:5672/", queue=f"orders-{uuid4().hex[:8]}"):
    send_order(url, queue, "order 7")
    parameters = pika.URLParameters(url)
    with (
        pika.BlockingConnection(parameters) as one,
        pika.BlockingConnection(parameters) as two,
    ):
        slow, other = one.channel(), two.channel()
        slow_orders = slow.consume(queue, inactivity_timeout=30)
        other_orders = other.consume(queue, inactivity_timeout=30)
        tag = pack(slow_orders, "worker 1")
        # Comes back when worker 1 has not acknowledged for too long.
        acknowledge(other, "worker 2", pack(other_orders, "worker 2"))
        acknowledge(slow, "worker 1", tag)
        if next(slow_orders, None) is None:
            print("worker 1 gets no more: its consumer was cancelled")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The producer is gone before the consumer starts, and the orders still arrive.

Watch the two processes: they never run at the same time, and neither knows the other.
"""

import sys
from itertools import islice
from multiprocessing import get_context
from uuid import uuid4

import pika


def send_orders(url, queue, orders):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()  # From now on publishing waits for the confirm.
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        for order in orders:
            channel.basic_publish("", queue, order.encode())


def receive(url, queue, count):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        received = []
        for method, _, body in islice(
            channel.consume(queue, inactivity_timeout=10), count
        ):
            if method is None:
                break  # Ten seconds without an order.
            channel.basic_ack(method.delivery_tag)
            received.append(body.decode())
        return received


def main(url="amqp://localhost", queue=f"orders-{uuid4().hex[:8]}"):
    orders = ["order 1: a lamp", "order 2: two books"]
    producer = get_context("spawn").Process(
        target=send_orders, args=(url, queue, orders)
    )
    producer.start()
    producer.join(30)
    print(f"producer sent {len(orders)} orders and exited with {producer.exitcode}")
    for order in receive(url, queue, len(orders)):
        print(f"consumer received '{order}'")


if __name__ == "__main__":
    main(*sys.argv[1:])

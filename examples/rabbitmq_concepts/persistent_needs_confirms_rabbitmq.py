"""The broker has persistent orders in a durable queue, and loses them when it dies.

Watch the two runs: they differ in the confirms alone, which make the broker write.
"""

import time

import pika

ORDERS = [f"order {number}" for number in range(1, 101)]


def send_orders(url, queue, confirms):
    """Send all orders as persistent messages; return how many the queue then holds."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        if confirms:
            channel.confirm_delivery()
        channel.queue_declare(
            queue, durable=True, arguments={"x-queue-type": "classic"}
        )
        persistent = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)
        for order in ORDERS:
            channel.basic_publish("", queue, order.encode(), persistent)
        return count(channel, queue, len(ORDERS))


def count(channel, queue, expected):
    """Ask until the broker counts `expected` orders in the queue; return its count."""
    deadline = time.monotonic() + 10
    while True:
        found = channel.queue_declare(queue, passive=True).method.message_count
        if found >= expected or time.monotonic() > deadline:
            return found


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


def main(broker, queue="orders"):
    for kind, confirms in (("with", True), ("without", False)):
        name = f"{queue}-{kind}"
        counted = send_orders(broker.address, name, confirms)
        broker.kill()  # Within a second: an idle queue writes what it has.
        broker.start()
        print(f"{kind} confirms: {counted} orders were in the queue")
        found = len(receive(broker.address, name))
        print(f"  found after the broker was killed and started: {found}")

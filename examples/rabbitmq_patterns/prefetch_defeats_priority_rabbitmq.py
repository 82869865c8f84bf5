"""A priority sorts what waits in the queue, not what a consumer already holds.

Watch the place of the urgent order: it comes behind the whole prefetch window.
"""

import sys
import time
from uuid import uuid4

import pika


def send_orders(channel, queue, count):
    for _ in range(count):
        channel.basic_publish("", queue, b"ordinary")


def wait_until_ready(channel, queue, count):
    """Wait until only `count` orders are with no consumer."""
    deadline = time.monotonic() + 10
    while channel.queue_declare(queue, passive=True).method.message_count != count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"Not {count} orders are ready.")


def place_of_the_urgent_order(channel, queue, prefetch):
    """Send an urgent order when the window is full; return when it is worked on."""
    channel.basic_qos(prefetch_count=prefetch)
    orders = channel.consume(queue, inactivity_timeout=10)
    method, _, order = next(orders)
    wait_until_ready(channel, queue, 20 - prefetch)
    urgent = pika.BasicProperties(priority=9)
    channel.basic_publish("", queue, b"urgent", urgent)
    place = 1
    while order != b"urgent":
        channel.basic_ack(method.delivery_tag)
        method, _, order = next(orders)
        place += 1
    channel.basic_ack(method.delivery_tag)
    channel.cancel()
    return place


def main(url="amqp://guest:guest@localhost:5672/", queue=f"orders-{uuid4().hex[:8]}"):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for prefetch in (1, 10, 20):
            name, arguments = f"{queue}-{prefetch}", {"x-queue-type": "quorum"}
            channel.queue_declare(name, durable=True, arguments=arguments)
            send_orders(channel, name, 20)
            place = place_of_the_urgent_order(channel, name, prefetch)
            print(f"prefetch {prefetch}: the urgent order was number {place}")


if __name__ == "__main__":
    main(*sys.argv[1:])

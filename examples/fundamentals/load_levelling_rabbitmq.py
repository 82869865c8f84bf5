"""A burst of orders is taken at once, and a steady consumer works it off.

Watch the depth of the queue: it jumps with the burst and then shrinks evenly.
"""

import sys
from uuid import uuid4

import pika


def send_burst(channel, queue, count):
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    for number in range(1, count + 1):
        channel.basic_publish("", queue, f"order {number}".encode())


def depth(channel, queue):
    """Return how many messages of the queue are ready, that is, with no consumer."""
    return channel.queue_declare(queue, passive=True).method.message_count


def work_off(channel, queue, batch):
    """Handle `batch` orders at a time; yield the depth before and after each."""
    yield depth(channel, queue)
    while depth(channel, queue):
        for _ in range(batch):
            # Asking for one at a time keeps the count exact. A worker subscribes.
            method, _, _ = channel.basic_get(queue)
            channel.basic_ack(method.delivery_tag)
        yield depth(channel, queue)


def main(url="amqp://localhost", queue=f"orders-{uuid4().hex[:8]}"):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        send_burst(channel, queue, 60)
        print("60 orders sent")
        for waiting in work_off(channel, queue, 10):
            print(f"{waiting:2} waiting {'#' * (waiting // 2)}".rstrip())


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Acknowledge after the work: a worker that dies in the middle leaves the order to the next one.

Watch the second worker: it gets the same order, and the broker says that it was delivered before.
"""

import os
import sys
from multiprocessing import get_context
from uuid import uuid4

import pika


def send_order(url, queue, order):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        channel.basic_publish("", queue, order.encode())


def work_on_one(url, queue, dies=False):
    """Take one order, do the work, then acknowledge; return the order, or None if there is none."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        for method, _, body in channel.consume(queue, inactivity_timeout=2):
            if method is None:
                return None
            if dies:
                os._exit(1)  # In the middle of the work, as when the machine is lost.
            channel.basic_ack(method.delivery_tag)
            return f"{body.decode()}, redelivered: {method.redelivered}"


def main(url="amqp://localhost", queue=f"orders-{uuid4().hex[:8]}"):
    send_order(url, queue, "order 7: two books")
    first = get_context("spawn").Process(target=work_on_one, args=(url, queue, True))
    first.start()
    first.join(60)
    print(f"the first worker died with exit code {first.exitcode}")
    print(f"the second worker did: {work_on_one(url, queue)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

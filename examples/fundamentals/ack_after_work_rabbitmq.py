"""Acknowledge after the work: a worker that dies leaves the order to the next one.

Watch the charges: the order is not lost, and the card is charged twice.
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


def work_on_one(url, queue, worker, dies=False):
    """Charge the card for one order, then acknowledge; give up after two seconds."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        for method, _, body in channel.consume(queue, inactivity_timeout=2):
            if method is None:
                break
            again = " (redelivered)" if method.redelivered else ""
            print(f"{worker} charges the card for {body.decode()}{again}", flush=True)
            if dies:
                os._exit(1)
            channel.basic_ack(method.delivery_tag)
            return
    print(f"{worker} finds no order")


def main(url="amqp://localhost", queue=f"orders-{uuid4().hex[:8]}"):
    send_order(url, queue, "order 7")
    args = (url, queue, "worker 1", True)
    first = get_context("spawn").Process(target=work_on_one, args=args)
    first.start()
    first.join(60)
    print(f"worker 1 died with exit code {first.exitcode}")
    work_on_one(url, queue, "worker 2")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Acknowledge before the batch: a worker that dies in the middle takes the rest along.

Watch orders 4 to 6: worker 1 had acknowledged them, and nobody does them.
"""

import os
import sys
from itertools import islice
from multiprocessing import get_context
from uuid import uuid4

import pika


def send_orders(url, queue, numbers):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        for number in numbers:
            channel.basic_publish("", queue, str(number).encode())


def work(url, queue, handled, last, dies_at=None):
    """Handle orders in batches of six, until order `last` is done."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=6)
        orders = channel.consume(queue, inactivity_timeout=30)
        number = 0
        while number != last:
            batch = list(islice(orders, 6))
            method, _, _ = batch[-1]
            channel.basic_ack(method.delivery_tag, multiple=True)
            for _, _, body in batch:
                number = int(body)
                if number == dies_at:
                    os._exit(1)
                handled.put(number)


def run_worker(url, queue, last, dies_at=None):
    """Let a worker work in a process of its own; return the orders that it handled."""
    spawn = get_context("spawn")
    handled = spawn.SimpleQueue()
    args = (url, queue, handled, last, dies_at)
    process = spawn.Process(target=work, args=args)
    process.start()
    process.join(60)
    return [handled.get() for _ in iter(handled.empty, True)]


def die_in_a_batch(url, queue, dies_at=4):
    """Let worker 1 die at an order and worker 2 go on; return what each handled."""
    send_orders(url, queue, range(1, 7))
    one = run_worker(url, queue, 6, dies_at)
    send_orders(url, queue, range(7, 13))
    return one, run_worker(url, queue, 12)


def main(url="amqp://guest:guest@localhost:5672/", queue=f"orders-{uuid4().hex[:8]}"):
    one, two = die_in_a_batch(url, queue)
    print(f"worker 1 handled {one} and died")
    print(f"worker 2 handled {two}")
    print(f"lost: {sorted({*range(1, 13)} - {*one, *two})}")
    print(f"done twice: {sorted({*one} & {*two})}")


if __name__ == "__main__":
    main(*sys.argv[1:])

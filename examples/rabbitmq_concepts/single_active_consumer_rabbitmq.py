"""One worker of two is active, and the other takes over in sequence when it dies.

Watch the second run: who closes politely with an order in hand lets it be overtaken.
"""

import os
import sys
from multiprocessing import get_context
from uuid import uuid4

import pika


def send_orders(url, queue, count):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        arguments = {"x-queue-type": "quorum", "x-single-active-consumer": True}
        channel.queue_declare(queue, durable=True, arguments=arguments)
        for number in range(1, count + 1):
            channel.basic_publish("", queue, str(number).encode())


def start_worker(connection):
    channel = connection.channel()
    channel.basic_qos(prefetch_count=1)
    return channel


def take(channel, queue, wait=10):
    """Take an order within `wait` seconds; return its delivery tag and its number."""
    method, _, body = next(channel.consume(queue, inactivity_timeout=wait))
    return (method.delivery_tag, int(body)) if method else (None, None)


def leave_with_order_3(url, queue, holding, leave, dies):
    """Acknowledge orders 1 and 2, take order 3, and leave when told."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = start_worker(connection)
        for _ in (1, 2):
            channel.basic_ack(take(channel, queue)[0])
        take(channel, queue)
        holding.set()
        leave.wait(30)
        if dies:
            os._exit(1)
        # Closing, pika cancels the consumer first, and only then gives order 3 back.


def take_over(url, queue, dies):
    """Let worker 1 leave; return what worker 2 is sent before that and after it."""
    send_orders(url, queue, 6)
    spawn = get_context("spawn")
    holding, leave = spawn.Event(), spawn.Event()
    arguments = (url, queue, holding, leave, dies)
    worker = spawn.Process(target=leave_with_order_3, args=arguments)
    worker.start()
    holding.wait(30)
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel, after = start_worker(connection), []
        _, before = take(channel, queue, wait=2)
        leave.set()
        while len(after) < 4:
            tag, number = take(channel, queue)
            channel.basic_ack(tag)
            after.append(number)
    return before, after


def main(url="amqp://guest:guest@localhost:5672/", queue=f"orders-{uuid4().hex[:8]}"):
    for way, dies in (("dies", True), ("closes", False)):
        before, after = take_over(url, f"{queue}-{way}", dies)
        print(f"worker 1 has order 3 in hand, worker 2 is sent {before or 'nothing'}")
        print(f"worker 1 {way}, worker 2 is sent order {after[0]} first")
        print(f"in the end worker 2 had {sorted(after)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

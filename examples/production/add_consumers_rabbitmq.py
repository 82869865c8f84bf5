"""Two more workers come to a queue, and they share at once what is waiting in it.

Watch the backlog: it is divided by four, and nothing had to be moved for that.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

import pika


def send_orders(url, queue, count):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        for number in range(1, count + 1):
            channel.basic_publish("", queue, f"order {number}".encode())


def waiting(url, queue):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        found = connection.channel().queue_declare(queue, passive=True)
        return found.method.message_count


def work(url, queue, count, together):
    """Handle `count` orders, each when every other worker has one too."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)
        deliveries = channel.consume(queue, inactivity_timeout=20)
        for _ in range(count):
            method, _, _ = next(deliveries)
            together.wait(20)  # It fails if one of the workers gets nothing to do.
            time.sleep(0.05)  # The work on an order.
            channel.basic_ack(method.delivery_tag)


def work_together(url, queue, workers, count):
    """Let the workers handle `count` orders, each an equal share."""
    together = Barrier(workers)
    with ThreadPoolExecutor(workers) as threads:
        tasks = [
            threads.submit(work, url, queue, count // workers, together)
            for _ in range(workers)
        ]
        for each in tasks:
            each.result()


def main(url="amqp://localhost", queue=f"orders-{uuid4().hex[:8]}"):
    send_orders(url, queue, 80)
    work_together(url, queue, 2, 40)
    print("two workers have handled 20 each, waiting:", waiting(url, queue))
    work_together(url, queue, 4, 40)
    print("four workers have handled 10 each, waiting:", waiting(url, queue))


if __name__ == "__main__":
    main(*sys.argv[1:])

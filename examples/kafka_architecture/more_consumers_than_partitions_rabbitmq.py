"""Three workers share one queue, and each of them has something to do.

Watch the counts: a queue is not divided beforehand, so no worker is left over.
"""

import sys
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


def work(url, queue, together):
    """Handle orders until none has come for three seconds, and hold each until every
    worker has one; return how many.
    """
    handled = 0
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)  # The next one comes when this one is done.
        for method, _, _ in channel.consume(queue, inactivity_timeout=3):
            if method is None:
                return handled
            together.wait(10)
            channel.basic_ack(method.delivery_tag)
            handled += 1


def main(url="amqp://localhost", queue=f"orders-{uuid4().hex[:8]}"):
    send_orders(url, queue, 6)
    together = Barrier(3)
    with ThreadPoolExecutor(3) as threads:
        handled = threads.map(lambda _: work(url, queue, together), range(3))
        print(f"orders handled by each: {sorted(handled)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

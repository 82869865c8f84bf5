"""Two workers share a queue: each order goes to one of them.

Watch the counts: the two are at work at the same time, and nothing is done twice.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
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


def work(url, queue, count, together):
    """Handle `count` orders; hold each until the other worker has one as well."""
    handled = []
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)  # The next one comes when this one is done.
        deliveries = channel.consume(queue, inactivity_timeout=10)
        for method, _, body in islice(deliveries, count):
            together.wait(10)
            handled.append(body.decode())
            channel.basic_ack(method.delivery_tag)
    return handled


def main(url="amqp://localhost", queue=f"orders-{uuid4().hex[:8]}"):
    send_orders(url, queue, 6)
    together = Barrier(2)
    with ThreadPoolExecutor(2) as threads:
        one, other = threads.map(lambda _: work(url, queue, 3, together), range(2))
    print(f"worker 1 handled {len(one)} orders, worker 2 handled {len(other)}")
    print(f"different orders: {len({*one, *other})}")


if __name__ == "__main__":
    main(*sys.argv[1:])

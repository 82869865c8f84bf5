"""Without a limit a queue deals its orders out by turns, whatever work each one makes.

Watch the two workers: every second order is large, and one worker gets all of those.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pika

ORDERS = [f"{'large' if number % 2 else 'small'} {number}" for number in range(1, 9)]
LARGE = 0.5  # Seconds that pretend the packing of a large order.


def create(url, queue):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        arguments = {"x-queue-type": "quorum"}
        connection.channel().queue_declare(queue, durable=True, arguments=arguments)


def send_orders(url, queue):
    """Send the orders when both workers are there; return when the first one went."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        deadline = time.monotonic() + 20
        while channel.queue_declare(queue, passive=True).method.consumer_count != 2:
            if time.monotonic() > deadline:
                raise TimeoutError("The two workers have not come.")
            time.sleep(0.02)
        started = time.monotonic()
        for order in ORDERS:
            channel.basic_publish("", queue, order.encode())
        return started


def pack(url, queue, prefetch):
    """Pack orders until none has come for three seconds; return them, each with the
    time when it was done.
    """
    packed = {}
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=prefetch)
        for method, _, body in channel.consume(queue, inactivity_timeout=3):
            if method is None:
                return packed
            time.sleep(LARGE if body.startswith(b"large") else 0)
            channel.basic_ack(method.delivery_tag)
            packed[body.decode()] = time.monotonic()


def main(url="amqp://localhost", queue=f"orders-{uuid4().hex[:8]}"):
    create(url, queue)
    with ThreadPoolExecutor(2) as threads:
        # A prefetch of 0 is no limit.
        workers = [threads.submit(pack, url, queue, prefetch=0) for _ in range(2)]
        send_orders(url, queue)
        one, other = sorted((each.result() for each in workers), key=list)
    print(f"worker 1 packed {', '.join(one)}")
    print(f"worker 2 packed {', '.join(other)}")
    early = max(other.values()) < one["large 3"]
    print(f"worker 2 was done before worker 1 had packed its second: {early}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""With a prefetch of 1 a worker gets its next order when it has acknowledged the last.

Watch who packs the large orders: the same orders come twice.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pika

ORDERS = [f"{'large' if number % 2 else 'small'} {number}" for number in range(1, 9)]
LARGE = 1  # Seconds that pretend the packing of a large order.


def create(url, queue):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        arguments = {"x-queue-type": "quorum"}
        connection.channel().queue_declare(queue, durable=True, arguments=arguments)


def send_orders(url, queue):
    """Send the orders when both workers are there."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        deadline = time.monotonic() + 20
        while channel.queue_declare(queue, passive=True).method.consumer_count != 2:
            if time.monotonic() > deadline:
                raise TimeoutError("The two workers have not come.")
            time.sleep(0.02)
        for order in ORDERS:
            channel.basic_publish("", queue, order.encode())


def pack(url, queue, prefetch):
    """Pack until none has come for three seconds; return how many were large."""
    large = 0
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=prefetch)
        for method, _, body in channel.consume(queue, inactivity_timeout=3):
            if method is None:
                return large
            if body.startswith(b"large"):
                time.sleep(LARGE)
                large += 1
            channel.basic_ack(method.delivery_tag)


def dispatch(url, queue, prefetch):
    """Let two workers pack all; return how many large orders each of them packed."""
    create(url, queue)
    with ThreadPoolExecutor(2) as threads:
        packed = threads.map(lambda _: pack(url, queue, prefetch), range(2))
        send_orders(url, queue)
        return sorted(packed)


def main(url="amqp://localhost", queue=f"orders-{uuid4().hex[:8]}"):
    large = dispatch(url, f"{queue}-unlimited", prefetch=0)
    print(f"no limit:      large orders of each worker {large}")
    large = dispatch(url, f"{queue}-fair", prefetch=1)
    print(f"prefetch of 1: large orders of each worker {large}")


if __name__ == "__main__":
    main(*sys.argv[1:])

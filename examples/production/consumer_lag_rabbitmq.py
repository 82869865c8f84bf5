"""A queue grows while orders come too fast, and then drains as predicted.

Watch the two divisions: depth by the worker's rate is how late it is, and depth by what
the worker can do beyond what still comes is how long it takes to catch up.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from uuid import uuid4

import pika

WORK = 150  # Orders that the worker handles in a second.


def send_orders(url, queue, calm, over):
    """Send 300 orders a second, and 50 once it is `calm`, until it is `over`."""
    last, due = time.monotonic(), 0
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        while not over.wait(0.01):
            now = time.monotonic()
            due += (now - last) * (50 if calm.is_set() else 300)
            last = now
            for _ in range(int(due)):
                channel.basic_publish("", queue, b"an order")
                due -= 1


def work(url, queue, over):
    """Handle orders until it is `over`, and acknowledge fifty at a time."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=50)
        ready, count = time.monotonic(), 0
        for method, _, _ in channel.consume(queue, inactivity_timeout=0.1):
            if over.is_set():
                return
            if method is None:
                ready = time.monotonic()
                continue
            count += 1
            if count % 50 == 0:
                # The sleep pretends work, and is shorter after what took too long.
                ready += 50 / WORK
                time.sleep(max(0, ready - time.monotonic()))
                channel.basic_ack(method.delivery_tag, multiple=True)


def depth(channel, queue):
    """Return how many messages of the queue are ready, that is, with no consumer."""
    return channel.queue_declare(queue, passive=True).method.message_count


def wait_for(fact):
    """Return how many seconds it took until `fact()` is true."""
    start = time.monotonic()
    while not fact():
        assert time.monotonic() < start + 30, "It was not so after 30 seconds."
        time.sleep(0.02)
    return time.monotonic() - start


def main(url="amqp://localhost", queue=f"orders-{uuid4().hex[:8]}"):
    calm, over, pool = Event(), Event(), ThreadPoolExecutor()
    with pika.BlockingConnection(pika.URLParameters(url)) as connection, pool:
        channel = connection.channel()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        pool.submit(work, url, queue, over)
        pool.submit(send_orders, url, queue, calm, over)
        try:
            wait_for(lambda: depth(channel, queue) >= 450)
            print("300 a second come, 150 are handled: the queue grows to 450")
            print(f"the worker is {450 / WORK:g} seconds late")
            calm.set()
            expected = 450 / (WORK - 50)
            print(f"50 a second come: it should catch up in {expected} seconds")
            took = wait_for(lambda: depth(channel, queue) < 50)
            print("it did, within a factor of two:", 0.5 < took / expected < 2)
        finally:
            over.set()


if __name__ == "__main__":
    main(*sys.argv[1:])

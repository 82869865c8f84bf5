"""One queue, one active consumer: the steps of an order stay in sequence.

Watch the end: the first step is slow, and the later ones wait for it.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pika

STEPS = ["placed", "paid", "shipped"]


def create(url, queue):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        arguments = {"x-queue-type": "quorum", "x-single-active-consumer": True}
        connection.channel().queue_declare(queue, durable=True, arguments=arguments)


def send_steps(url, queue):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for step in STEPS:
            channel.basic_publish("", queue, step.encode())


def work(url, queue, done):
    """Handle steps until none has come for three seconds; add each to `done`."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)
        for method, _, body in channel.consume(queue, inactivity_timeout=3):
            if method is None:
                return
            if body == b"placed":
                time.sleep(1)  # This one step is slow.
            done.append(body.decode())
            channel.basic_ack(method.delivery_tag)


def main(url="amqp://localhost", queue=f"orders-{uuid4().hex[:8]}"):
    create(url, queue)
    send_steps(url, queue)
    done = []
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda _: work(url, queue, done), range(2)))
    print(f"sent: {', '.join(STEPS)}")
    print(f"done: {', '.join(done)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Two workers on one queue: a slow step is overtaken, and the order of the steps is lost.

Watch the end: the first step is slow, and the other worker does not wait for it.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

import pika

STEPS = ["placed", "paid", "shipped"]
QUEUE = {"x-queue-type": "quorum"}


def send_steps(url, queue):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for step in STEPS:
            channel.basic_publish("", queue, step.encode())


def work(url, queue, done, everyone_is_ready):
    """Handle steps until none has come for three seconds; note each in `done` when it is done."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.queue_declare(queue, durable=True, arguments=QUEUE)
        channel.basic_qos(prefetch_count=1)
        steps = channel.consume(queue, inactivity_timeout=3)
        everyone_is_ready.wait(30)
        for method, _, body in steps:
            if method is None:
                return
            if body == b"placed":
                time.sleep(1)  # This one step is slow.
            done.append(body.decode())
            channel.basic_ack(method.delivery_tag)


def main(url="amqp://localhost", queue=f"orders-{uuid4().hex[:8]}"):
    done, everyone_is_ready = [], Barrier(3)
    with ThreadPoolExecutor(2) as workers:
        working = [workers.submit(work, url, queue, done, everyone_is_ready) for _ in "12"]
        everyone_is_ready.wait(60)
        send_steps(url, queue)
        [each.result() for each in working]
    print(f"sent: {', '.join(STEPS)}")
    print(f"done: {', '.join(done)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

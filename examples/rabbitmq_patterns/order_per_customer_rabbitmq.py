"""A queue for a share of the customers, with one active consumer, keeps their order.
Your own broker needs `rabbitmq-plugins enable rabbitmq_consistent_hash_exchange`.

Watch the worker that stops: the one that stood by goes on where it was.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from uuid import uuid4

import pika

STEPS = ["placed", "paid", "shipped"]
CUSTOMERS = [f"customer-{number}" for number in range(1, 11)]


def create(channel, exchange, lanes, kind="x-consistent-hash"):
    channel.exchange_declare(exchange, kind, durable=True)
    for lane in lanes:
        arguments = {"x-queue-type": "quorum", "x-single-active-consumer": True}
        channel.queue_declare(lane, durable=True, arguments=arguments)
        channel.queue_bind(lane, exchange, routing_key="1")  # A weight, not a key.


def send_steps(channel, exchange):
    channel.confirm_delivery()
    for step, customer in product(STEPS, CUSTOMERS):
        channel.basic_publish(exchange, customer, step.encode())


def work(url, lane, done, limit=None):
    """Do steps until none has come for three seconds, or `limit` of them."""
    count = 0
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)
        for method, _, body in channel.consume(lane, inactivity_timeout=3):
            if method is None:
                return count
            time.sleep(0.2 if body == b"placed" else 0.02)  # This pretends work.
            done.append((lane, method.routing_key, body.decode()))
            count += 1
            if count == limit:  # Before the acknowledgement, which brings another step
                channel.cancel()  # that the next worker would overtake.
            channel.basic_ack(method.delivery_tag)
    return count


def wait_for_worker(channel, lane):
    deadline = time.monotonic() + 20
    while not channel.queue_declare(lane, passive=True).method.consumer_count:
        if time.monotonic() > deadline:
            raise TimeoutError("The worker has not come.")
        time.sleep(0.02)


def main(url="amqp://localhost", exchange=f"orders-{uuid4().hex[:8]}"):
    lanes, done, workers = [f"{exchange}-1", f"{exchange}-2"], [], []
    connection = pika.BlockingConnection(pika.URLParameters(url))
    with connection, ThreadPoolExecutor(4) as threads:
        channel = connection.channel()
        create(channel, exchange, lanes)
        for lane, limit in zip(lanes, [5, None], strict=True):
            workers.append(threads.submit(work, url, lane, done, limit))
            wait_for_worker(channel, lane)  # The first one to come is active.
        workers += [threads.submit(work, url, lane, done) for lane in lanes]
        send_steps(channel, exchange)
    count = workers[0].result()
    print(f"steps by the worker that stopped: {count}, by others: {len(done) - count}")
    half = {lane for lane, _, _ in done[: len(done) // 2]}
    print(f"lanes at work in the first half: {len(half)}")
    steps = [[step for _, name, step in done if name == each] for each in CUSTOMERS]
    print(f"order kept for {steps.count(STEPS)} of {len(CUSTOMERS)} customers")


if __name__ == "__main__":
    main(*sys.argv[1:])

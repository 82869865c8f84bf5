"""A queue of which nothing is ready looks healthy, and a hundred orders are stuck.

Watch `unacked` beside `ready`: the prefetch moves orders from one to the other, and
only their sum says that nothing was handled.
"""

import re
import time
from urllib.request import urlopen

import pika

STATES = ("ready", "unacked")


def send(channel, queue, count):
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    for number in range(1, count + 1):
        channel.basic_publish("", queue, f"order {number}".encode())


def stuck_consumer(connection, queue, prefetch):
    """Return the channel of a consumer that takes orders and acknowledges none."""
    channel = connection.channel()
    channel.basic_qos(prefetch_count=prefetch)
    channel.basic_consume(queue, lambda *order: None)
    return channel


def depth(metrics, queue):
    """Return how many messages of the queue are ready, and how many unacknowledged."""
    with urlopen(f"{metrics}/per-object", timeout=10) as answer:
        page = answer.read().decode()
    pattern = r'^rabbitmq_queue_messages_{}\{{vhost="/",queue="{}"\}} (\d+)'
    found = [re.search(pattern.format(each, queue), page, re.M) for each in STATES]
    return tuple(int(each[1]) if each else 0 for each in found)


def wait_for_depth(connection, metrics, queue, expected):
    """Wait until the broker tells of the `expected` depth, and print it."""
    deadline = time.monotonic() + 30
    while (found := depth(metrics, queue)) != expected:
        if time.monotonic() > deadline:
            raise TimeoutError(f"The broker tells of {found}, not {expected}.")
        connection.process_data_events(0.1)  # Meanwhile the consumer takes its orders.
    print(f"  ready {found[0]:3}, unacked {found[1]:3}, together {sum(found)}")


def main(broker, metrics, queue="orders"):
    parameters = pika.URLParameters(broker.address)
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        send(channel, queue, 100)
        print("100 orders, no consumer:")
        wait_for_depth(connection, metrics, queue, (100, 0))
        stuck = stuck_consumer(connection, queue, prefetch=10)
        print("a consumer that is stuck, with a prefetch of 10:")
        wait_for_depth(connection, metrics, queue, (90, 10))
        stuck.close()
        stuck_consumer(connection, queue, prefetch=0)
        print("a consumer that is stuck, with no limit:")
        wait_for_depth(connection, metrics, queue, (0, 100))

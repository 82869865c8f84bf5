"""With automatic acknowledgement a worker that dies takes all with it that it was sent.

Watch the two counts: the queue has forgotten every order that was on its way.
"""

import os
import sys
import time
from itertools import islice
from multiprocessing import get_context
from uuid import uuid4

import pika


def send_orders(url, queue, count):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        for number in range(1, count + 1):
            channel.basic_publish("", queue, f"order {number}".encode())


def handle_three_and_die(url, queue, auto_ack):
    """Handle three orders, and die when the broker has sent all the others too."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        orders = channel.consume(queue, auto_ack=auto_ack, inactivity_timeout=10)
        for method, _, _ in islice(orders, 3):
            if not auto_ack:
                channel.basic_ack(method.delivery_tag)
        deadline = time.monotonic() + 30
        while channel.queue_declare(queue, passive=True).method.message_count:
            if time.monotonic() > deadline:
                raise TimeoutError("The broker keeps orders back.")
            connection.sleep(0.1)
        os._exit(1)


def count_the_rest(url, queue):
    """Return how many orders another worker gets, until none comes for two seconds."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        rest = []
        for method, _, body in channel.consume(queue, inactivity_timeout=2):
            if method is None:
                return len(rest)
            rest.append(body)
            channel.basic_ack(method.delivery_tag)


def die_with_orders(url, queue, auto_ack):
    """Let a worker die with 500 orders; return how many are left for the next one."""
    send_orders(url, queue, 500)
    arguments = (url, queue, auto_ack)
    worker = get_context("spawn").Process(target=handle_three_and_die, args=arguments)
    worker.start()
    worker.join(60)
    return count_the_rest(url, queue)


def main(url="amqp://guest:guest@localhost:5672/", queue=f"orders-{uuid4().hex[:8]}"):
    for auto_ack in (False, True):
        left = die_with_orders(url, f"{queue}-{auto_ack}", auto_ack)
        print(f"500 orders, auto_ack={auto_ack}, worker 1 handles 3 and dies")
        print(f"  worker 2 gets {left}, lost: {500 - 3 - left}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Two workers share a queue: each order goes to one of them, not to both.

Watch the turns: the broker deals the orders out one by one, and a third worker would get its share.
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
        for number in range(1, count + 1):
            channel.basic_publish("", queue, f"order {number}".encode())


def work(url, queue, count, everyone_is_ready):
    """Subscribe to the queue, then handle `count` orders; return them."""
    handled = []

    def handle(channel, method, _properties, body):
        handled.append(body.decode())
        channel.basic_ack(method.delivery_tag)
        if len(handled) == count:
            channel.stop_consuming()

    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        channel.basic_qos(prefetch_count=1)  # The next order comes when the last one is done.
        channel.basic_consume(queue, handle)
        connection.call_later(10, channel.stop_consuming)
        everyone_is_ready.wait(30)
        channel.start_consuming()
    return handled


def main(url="amqp://localhost", queue=f"orders-{uuid4().hex[:8]}"):
    everyone_is_ready = Barrier(3)
    with ThreadPoolExecutor(2) as workers:
        handled = [workers.submit(work, url, queue, 3, everyone_is_ready) for _ in range(2)]
        everyone_is_ready.wait(60)
        send_orders(url, queue, 6)
    for number, orders in enumerate(sorted(each.result() for each in handled), 1):
        print(f"worker {number} handled {', '.join(orders)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

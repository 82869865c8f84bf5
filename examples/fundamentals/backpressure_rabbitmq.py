"""Push: the broker sends without being asked, and stops at the prefetch limit.

Watch the first line: the broker is frozen, and three orders had been sent before.
"""

import time

import pika


def send_orders(url, queue, count):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        for number in range(1, count + 1):
            channel.basic_publish("", queue, f"order {number}".encode())


def subscribe(channel, queue, prefetch):
    """Subscribe to the queue; return the list to which each arriving order is added."""
    arrived = []
    channel.basic_qos(prefetch_count=prefetch)
    channel.basic_consume(queue, lambda *delivery: arrived.append(delivery[3].decode()))
    return arrived


def wait_until_ready(url, queue, count):
    """Ask from another connection until `count` messages are with no consumer."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel, deadline = connection.channel(), time.monotonic() + 10
        while channel.queue_declare(queue, passive=True).method.message_count != count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"Not {count} messages are ready.")


def main(broker, queue="orders"):
    send_orders(broker.address, queue, 10)
    with pika.BlockingConnection(pika.URLParameters(broker.address)) as connection:
        channel = connection.channel()
        arrived = subscribe(channel, queue, prefetch=3)
        wait_until_ready(broker.address, queue, 7)
        broker.pause()
        connection.sleep(1)  # Reads what is in the socket, and nothing can be added.
        print(f"10 orders wait, already here: {arrived}")
        broker.resume()
        channel.basic_ack(1)
        connection.sleep(1)
        print(f"acknowledged 1, here now: {arrived}")

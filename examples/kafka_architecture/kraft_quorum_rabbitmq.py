"""A majority of the nodes decides about queues, as it does in Kafka about topics.

Watch the node that is left alone: it declares no queue, and it still takes orders.
"""

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NoAnswer

import pika


def declare(url, queue):
    """Declare a queue, which waits until a majority has written it down."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        classic = {"x-queue-type": "classic"}
        connection.channel().queue_declare(queue, durable=True, arguments=classic)
        return True


def main(cluster, queue="orders"):
    killed, frozen, last = cluster.nodes
    killed.kill()
    print("one node was killed, queue declared:", declare(last.address, queue))
    with pika.BlockingConnection(pika.URLParameters(last.address)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        frozen.pause()
        with ThreadPoolExecutor(1) as thread:
            declared = thread.submit(declare, last.address, f"{queue}-2")
            try:
                declared.result(timeout=3)
            except NoAnswer:
                print("one more was frozen, queue declared: False")
            channel.basic_publish("", queue, b"order 1")
            print("order 1 is confirmed")
            frozen.resume()
            print("it goes on, queue declared:", declared.result(timeout=20))
    killed.start()
    print("the killed node was started")

"""A durable classic queue is on one node, and nobody can use it while that is down.

Watch the other nodes: they know the queue, refuse its orders, and make no new one.
"""

from concurrent.futures import ThreadPoolExecutor, wait

import pika
from pika.exceptions import NackError


def declare(url, queue):
    """Declare a classic queue, which will be on the node that is asked."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        classic = {"x-queue-type": "classic"}
        connection.channel().queue_declare(queue, durable=True, arguments=classic)


def send_order(url, queue, order):
    """Send a persistent order; return what the broker answered."""
    persistent = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        try:
            channel.basic_publish("", queue, order.encode(), persistent)
        except NackError:
            return "refused"
        return "confirmed"


def receive(url, queue):
    """Return every order in the queue, until none has come for two seconds."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        orders = []
        for method, _, body in channel.consume(queue, inactivity_timeout=2):
            if method is None:
                return orders
            channel.basic_ack(method.delivery_tag)
            orders.append(body.decode())


def main(cluster, queue="orders"):
    home, second, third = cluster.nodes
    declare(home.address, queue)
    print("order 1, node 1:", send_order(home.address, queue, "order 1"))
    print("order 2, node 2:", send_order(second.address, queue, "order 2"))
    print("order 3, node 3:", send_order(third.address, queue, "order 3"))
    home.kill()
    print("node 1, which has the queue, was killed")
    print("order 4, node 2:", send_order(second.address, queue, "order 4"))
    print("order 5, node 3:", send_order(third.address, queue, "order 5"))
    with ThreadPoolExecutor() as threads:
        received = threads.submit(receive, second.address, queue)
        declared = threads.submit(declare, third.address, queue)
        answered, _ = wait([received, declared], timeout=3)
        print("a consumer and a declaration: answered", len(answered), "of 2")
        home.start()
        print("node 1 was started")
        print("received, node 2:", received.result(timeout=60))

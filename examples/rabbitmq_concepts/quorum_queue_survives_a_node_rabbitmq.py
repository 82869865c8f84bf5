"""A quorum queue has a member on each of three nodes, and goes on without one of them.

Watch the nodes that the clients connect to: any of them serves, whichever node leads.
"""

import pika
from pika.exceptions import NackError


def declare(url, queue):
    """Declare a quorum queue, which the node that is asked will lead."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        quorum = {"x-queue-type": "quorum"}
        connection.channel().queue_declare(queue, durable=True, arguments=quorum)


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
    leader, second, third = cluster.nodes
    declare(leader.address, queue)
    print("order 1, node 1:", send_order(leader.address, queue, "order 1"))
    print("order 2, node 2:", send_order(second.address, queue, "order 2"))
    print("order 3, node 3:", send_order(third.address, queue, "order 3"))
    leader.kill()
    print("node 1, which led the queue, was killed")
    print("order 4, node 2:", send_order(second.address, queue, "order 4"))
    print("order 5, node 3:", send_order(third.address, queue, "order 5"))
    print("received, node 2:", receive(second.address, queue))
    leader.start()
    print("node 1 was started")
    print("order 6, node 1:", send_order(leader.address, queue, "order 6"))
    print("received, node 1:", receive(leader.address, queue))

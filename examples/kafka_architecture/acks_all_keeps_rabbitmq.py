"""A majority of the queue has each confirmed order, so none dies with the leader.

Watch the member that is frozen: it has none of the orders when the leader dies.
"""

import pika


def declare(url, queue):
    """Declare a queue of three members; the node that is asked leads it."""
    quorum = {"x-queue-type": "quorum"}
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        connection.channel().queue_declare(queue, durable=True, arguments=quorum)


def send_orders(url, queue, orders):
    """Send the orders, waiting for the confirm of each; return how many came."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for order in orders:
            channel.basic_publish("", queue, order.encode())
        return len(orders)


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
    leader, member, other = cluster.nodes
    declare(leader.address, queue)
    orders = [f"order {number}" for number in range(1, 101)]
    member.pause()
    confirmed = send_orders(other.address, queue, orders)
    print(f"confirmed while one of three members is frozen: {confirmed} of 100")
    leader.kill()
    member.resume()
    print("the leader was killed, and the frozen member goes on")
    found = receive(member.address, queue)
    print(f"found: {sum(order in found for order in orders)} of 100")

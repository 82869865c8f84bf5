"""The leader of a quorum queue is killed while orders come; none is lost or doubled.

Watch the gap: the publisher waits until another member of the queue leads.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pika


def declare(url, queue):
    """Declare a queue of three members; the node that is asked leads it."""
    quorum = {"x-queue-type": "quorum"}
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        connection.channel().queue_declare(queue, durable=True, arguments=quorum)


def send_steadily(url, queue, orders, acknowledged):
    """Send at most 200 orders a second; note the time of each confirm."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for order in orders:
            channel.basic_publish("", queue, order.encode())  # Returns when confirmed.
            acknowledged.append(time.monotonic())
            time.sleep(1 / 200)  # The customers order at this rate.


def wait_for(acknowledged, count):
    """Wait until `count` orders are acknowledged."""
    deadline = time.monotonic() + 30
    while len(acknowledged) < count:
        if time.monotonic() > deadline:
            raise TimeoutError("The orders are not acknowledged.")
        time.sleep(0.01)


def longest_gap(acknowledged):
    """Return the longest time from one acknowledgement to the next, in seconds."""
    return max(later - earlier for earlier, later in pairwise(acknowledged))


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
    leader, other, _ = cluster.nodes
    declare(leader.address, queue)
    orders = [f"order {number}" for number in range(1, 501)]
    acknowledged = []
    with ThreadPoolExecutor(1) as thread:
        # Connected to the leader's node, it would have to connect to another.
        args = (other.address, queue, orders, acknowledged)
        sending = thread.submit(send_steadily, *args)
        wait_for(acknowledged, 100)
        leader.kill()
        sending.result(timeout=90)
    found = receive(other.address, queue)
    print(f"sent {len(orders)}, acknowledged {len(acknowledged)}, found {len(found)}")
    print(f"lost {len(set(orders) - set(found))}, twice {len(found) - len(set(found))}")
    print(f"in the order in which they were sent: {found == orders}")
    print(f"longest gap over two seconds: {longest_gap(acknowledged) > 2}")

"""Three nodes are restarted one after another while orders come, and none is lost.

Watch what each step waits for, and the publisher, which has to connect elsewhere.
"""

from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from threading import Event

import pika
from pika.exceptions import AMQPError


def declare(url, queue):
    quorum = {"x-queue-type": "quorum"}
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        connection.channel().queue_declare(queue, durable=True, arguments=quorum)


def send_steadily(urls, queue, stop):
    """Send 100 orders a second until told to stop; return those confirmed, and to how
    many nodes it was connected in turn.
    """
    confirmed, connected = [], 0
    for url in cycle(urls):
        try:
            with pika.BlockingConnection(pika.URLParameters(url)) as connection:
                connected += 1
                channel = connection.channel()
                channel.confirm_delivery()
                while not stop.is_set():
                    order = len(confirmed) + 1  # After a cut the same once more.
                    channel.basic_publish("", queue, str(order).encode())
                    confirmed.append(order)
                    stop.wait(1 / 100)  # The customers order at this rate.
                return confirmed, connected
        except AMQPError:
            stop.wait(0.1)  # This node is away, so it tries the next.


def restart(node, tool):
    """Restart a node as soon as no queue needs it, and tell each step's exit code."""
    # It waits until every quorum queue has one member more than its majority.
    wait = tool(node, "rabbitmq-upgrade", "await_online_quorum_plus_one", "-t", "60")
    # Its clients are sent away, and other members lead its quorum queues.
    drain = tool(node, "rabbitmq-upgrade", "drain")
    node.stop()
    node.start()
    return [wait.returncode, drain.returncode]


def receive(url, queue):
    """Return every order in the queue, until none has come for two seconds."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        orders = []
        for method, _, body in channel.consume(queue, inactivity_timeout=2):
            if method is None:
                return orders
            channel.basic_ack(method.delivery_tag)
            orders.append(int(body))


def main(cluster, tool, queue="orders"):
    urls, stop = [node.address for node in cluster.nodes], Event()
    declare(urls[0], queue)
    with ThreadPoolExecutor(1) as thread:
        sending = thread.submit(send_steadily, urls, queue, stop)
        try:
            for number, node in enumerate(cluster.nodes, 1):
                codes = restart(node, tool)
                print(f"node {number} was stopped and started, exit codes {codes}")
        finally:
            stop.set()
        confirmed, connected = sending.result(timeout=60)
    print(f"the publisher was connected to more than one node: {connected > 1}")
    found = receive(urls[0], queue)
    lost, twice = set(confirmed) - set(found), len(found) - len(set(found))
    print(f"orders confirmed, lost {len(lost)}")
    print(f"twice at most one for each cut: {twice < connected}")

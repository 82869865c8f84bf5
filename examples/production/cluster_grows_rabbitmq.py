"""A node joins a running cluster, and the quorum queue there gets no member on it.

Watch the queue: only when its membership is grown, a lost node leaves a majority.
"""

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NoAnswer

import pika


def run(tool, node, name, *arguments):
    """Run one of RabbitMQ's tools against the node and return what it prints."""
    result = tool(node, name, *arguments)
    result.check_returncode()
    return result.stdout


def members(tool, node, queue):
    """Return how many nodes have a member of the queue."""
    rows = run(tool, node, "rabbitmqctl", "list_queues", "name", "members").splitlines()
    return next(row for row in rows if row.split()[0] == queue).count("@")


def declare(url, queue):
    quorum = {"x-queue-type": "quorum"}
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        connection.channel().queue_declare(queue, durable=True, arguments=quorum)


def send_order(url, queue, order):
    """Send the order and wait for its confirm."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("", queue, order.encode())


def send_without(lost, url, queue, order, seconds):
    """Send an order while a node is lost; tell if it is confirmed within `seconds`."""
    lost.kill()
    with ThreadPoolExecutor(1) as thread:
        sending = thread.submit(send_order, url, queue, order)
        try:
            sending.result(timeout=seconds)
            return True
        except NoAnswer:
            return False
        finally:
            lost.start()  # What waits is confirmed now.
            sending.result(timeout=60)


def main(cluster, tool, queue="orders"):
    first, second, new = cluster.nodes
    # Node 3 leaves the cluster and loses all it had: a new machine.
    run(tool, new, "rabbitmqctl", "stop_app")
    run(tool, new, "rabbitmqctl", "reset")
    declare(first.address, queue)
    print("two nodes, members of the queue:", members(tool, first, queue))
    run(tool, new, "rabbitmqctl", "start_app")  # It finds the cluster and joins it.
    print("three nodes, members of the queue:", members(tool, first, queue))
    confirmed = send_without(second, first.address, queue, "order 1", 5)
    print("confirmed while node 2 is lost:", confirmed)
    run(tool, first, "rabbitmq-queues", "grow", "rabbitmq-3@localhost", "all")
    print("after `grow`, members of the queue:", members(tool, first, queue))
    confirmed = send_without(second, first.address, queue, "order 2", 30)
    print("confirmed while node 2 is lost:", confirmed)

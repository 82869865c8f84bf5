"""One of three nodes is low on disk, and publishers are blocked at every node.

Watch node 3: its own disk is fine, and only who consumes is served there.
"""

import time
from concurrent.futures import ThreadPoolExecutor

import pika


def open_queue(connection, queue):
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    return channel


def send_orders(channel, queue, numbers):
    """Send the orders, waiting for the confirm of each; return those confirmed."""
    confirmed = []
    for number in numbers:
        channel.basic_publish("", queue, str(number).encode())
        confirmed.append(number)
    return confirmed


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


def set_limit(tool, node, limit):
    """Set below how much free disk space the node raises its alarm."""
    tool(node, "rabbitmqctl", "set_disk_free_limit", limit).check_returncode()


def passes(tool, node, check):
    return tool(node, "rabbitmq-diagnostics", check).returncode == 0


def wait_for(tool, node, check, wanted):
    """Wait until the node passes the check, or until it does not."""
    deadline = time.monotonic() + 60
    while passes(tool, node, check) != wanted:
        if time.monotonic() > deadline:
            raise TimeoutError(f"The result of {check} stays the same.")


def main(cluster, tool, queue="orders"):
    full, _, other = cluster.nodes
    connection = pika.BlockingConnection(pika.URLParameters(other.address))
    with connection, ThreadPoolExecutor(1) as thread:
        channel = open_queue(connection, queue)
        print("confirmed at node 3:", send_orders(channel, queue, [1, 2, 3]))
        set_limit(tool, full, "1000000GB")
        wait_for(tool, other, "check_alarms", False)
        print("node 1 is low on disk")
        print("node 3, no alarm here:", passes(tool, other, "check_local_alarms"))
        print("node 3, no alarm anywhere:", passes(tool, other, "check_alarms"))
        sending = thread.submit(send_orders, channel, queue, [4, 5, 6])
        print("received at node 3:", receive(other.address, queue))
        print("order 4 is confirmed at node 3:", sending.done())
        set_limit(tool, full, "50MB")
        print("node 1 has room")
        print("confirmed at node 3:", sending.result(timeout=30))
    print("received at node 3:", receive(other.address, queue))

"""A node that is low on memory blocks who publishes, and whoever consumes goes on.

Watch order 4: it waits, and no order that was confirmed is lost.
"""

from concurrent.futures import ThreadPoolExecutor

import pika


def connect(url, told):
    """Connect and note in `told` what the broker says about blocking."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    connection.add_on_connection_blocked_callback(
        lambda _, frame: told.append(f"blocked, {frame.method.reason}")
    )
    connection.add_on_connection_unblocked_callback(lambda *_: told.append("unblocked"))
    return connection


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


def set_watermark(tool, node, limit):
    """Set above how much memory in use the node raises its alarm."""
    command = "set_vm_memory_high_watermark", "absolute", limit
    tool(node, "rabbitmqctl", *command).check_returncode()


def main(broker, tool, queue="orders"):
    node, told = broker.nodes[0], []
    with connect(broker.address, told) as connection, ThreadPoolExecutor(1) as thread:
        channel = open_queue(connection, queue)
        print("confirmed:", send_orders(channel, queue, [1, 2, 3]))
        set_watermark(tool, node, "1MB")
        print("the node is low on memory")
        sending = thread.submit(send_orders, channel, queue, [4, 5, 6])
        print("received:", receive(broker.address, queue))
        print("order 4 is confirmed:", sending.done())
        set_watermark(tool, node, "512MB")
        print("the node has enough memory")
        print("confirmed:", sending.result(timeout=30))
        connection.process_data_events(time_limit=1)
        print("the publisher was told:", told)
    print("received:", receive(broker.address, queue))

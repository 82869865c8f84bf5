"""A virtual host with limits refuses one connection and one queue too many.

Watch what goes on: who is within the limits is served as before.
"""

import json

import pika
from pika.exceptions import ChannelClosedByBroker, ProbableAccessDeniedError


def add_host(tool, node, host):
    """Add a virtual host that the user guest may use."""
    tool(node, "rabbitmqctl", "add_vhost", host).check_returncode()
    words = "set_permissions", "-p", host, "guest", ".*", ".*", ".*"
    tool(node, "rabbitmqctl", *words).check_returncode()


def set_limits(tool, node, host, limits):
    """Set the limits of a virtual host; an empty object takes them away."""
    words = "set_vhost_limits", "-p", host, json.dumps(limits)
    tool(node, "rabbitmqctl", *words).check_returncode()


def connect(url):
    return pika.BlockingConnection(pika.URLParameters(url))


def declare(connection, queue):
    """Declare a queue, and tell how that ends."""
    try:
        channel = connection.channel()
        channel.queue_declare(queue, durable=True)
        return "declared"
    except ChannelClosedByBroker as refusal:
        return f"refused, {refusal.reply_text}"


def connect_once_more(url):
    """Connect and leave again, and tell how that ends."""
    try:
        connect(url).close()
        return "connected"
    except ProbableAccessDeniedError as refusal:
        why = str(refusal).split('"')[1]  # The broker's own words are in quotes.
        return f"refused, {why}"


def main(broker, tool, host="shop"):
    node, url = broker.nodes[0], f"{broker.address}{host}"
    add_host(tool, node, host)
    set_limits(tool, node, host, {"max-connections": 1, "max-queues": 1})
    with connect(url) as connection:
        print("first queue:", declare(connection, "orders"))
        print("second queue:", declare(connection, "payments"))
        print("second connection:", connect_once_more(url))
        connection.channel().basic_publish("", "orders", b"order 1")
        print("the first connection publishes to the first queue")
        set_limits(tool, node, host, {})
        print("without limits, second queue:", declare(connection, "payments"))
        print("without limits, connection:", connect_once_more(url))

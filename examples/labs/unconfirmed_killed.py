"""The broker is killed while orders are published, with and without confirms.

The queue is classic and durable, and the messages are persistent. Without confirms,
those orders count as confirmed that the client has taken without an error.
"""

from threading import Timer
from uuid import uuid4

import pika
from labs.checker import Outcome, account
from labs.numbered_orders import declare, noted, publish, read
from pika.exceptions import AMQPError

BROKERS = {"rabbitmq": 1}
CLIENTS = ("pika",)
VARIANTS = ("no confirms", "confirm each", "window of 500")


def publish_one_by_one(url, queue, numbers, confirms, done):
    """Send orders until the connection is lost; add to `done` those without an error.

    With `confirms`, the client returns from a call when the order is confirmed.
    """
    keep = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    if confirms:
        channel.confirm_delivery()
    try:
        for number in numbers:
            channel.basic_publish("", queue, str(number).encode(), keep)
            done.append(number)
    except AMQPError:
        return  # The broker is gone: this is what the lab waits for.


def run(brokers, variant, note):
    """Run one variant; the broker runs when it returns."""
    (node,), queue = brokers["rabbitmq"].nodes, f"orders-{uuid4().hex[:8]}"
    declare(node.address, queue, "classic")
    note("the queue is there, the publisher begins")

    def kill():
        node.kill()
        note("the broker is killed")

    sent = []
    timer = Timer(1, kill)
    timer.start()
    if variant == "window of 500":
        done = {}
        publish(node.address, queue, noted(sent), done, [], window=500)
    else:
        done = []
        confirms = variant == "confirm each"
        publish_one_by_one(node.address, queue, noted(sent), confirms, done)
    timer.join()
    note(f"the publisher has sent {len(sent)}, and takes {len(done)} for confirmed")
    node.start()
    note("the broker is back")
    found = read(node.address, queue)
    note(f"{len(found)} were read")
    return Outcome(account(sent, done, found))

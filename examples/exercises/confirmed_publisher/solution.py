"""Publish orders, and know of each of them whether a queue has it.

`publish(url, queue, orders)` gets a list of texts. It publishes each of them as a
persistent message to the queue of that name, over the default exchange. It returns the
list of those that no queue has, because there is none of that name or because it is
full and refuses them. It declares nothing, and an order that is not taken raises no
error.
"""

import pika
from pika.exceptions import NackError, UnroutableError

PERSISTENT = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)


def publish(url, queue, orders):
    """Publish each order; return those that no queue has."""
    failed = []
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()  # From here on basic_publish waits for the broker.
        for order in orders:
            body = order.encode()
            try:
                channel.basic_publish("", queue, body, PERSISTENT, mandatory=True)
            except (UnroutableError, NackError):
                failed.append(order)
    return failed

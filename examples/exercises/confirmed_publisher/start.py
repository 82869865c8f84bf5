"""Publish orders, and know of each of them whether a queue has it.

`publish(url, queue, orders)` gets a list of texts. It publishes each of them as a
persistent message to the queue of that name, over the default exchange. It returns the
list of those that no queue has, because there is none of that name or because it is
full and refuses them. It declares nothing, and an order that is not taken raises no
error.
"""

import pika


def publish(url, queue, orders):
    """Publish each order; return those that no queue has."""
    failed = []
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        # Finish this: wait for the broker's word on each message.
        for order in orders:
            # Finish this: make it outlive a restart of the broker, and note it if no
            # queue has it.
            channel.basic_publish("", queue, order.encode())
    return failed

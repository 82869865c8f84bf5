"""Acknowledge an order when its work is done, and not before.

`work(url, queue, handle, count)` takes `count` orders from the queue and calls
`handle(order)` with the text of each. When that has returned the order is done, and not
before: what a worker leaves that dies comes to the next one. When `handle` raises a
ValueError nobody can handle the order: the queue is to hand it to its dead letters, and
the worker goes on with the next. While it is at one order the broker sends it no other,
so that another worker can take those.
"""

from itertools import islice

import pika


def work(url, queue, handle, count):
    """Handle `count` orders, or fewer if none has come for five seconds."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)  # Set before the consumer starts.
        orders = channel.consume(queue, inactivity_timeout=5)
        for method, _, body in islice(orders, count):
            if body is None:
                return
            try:
                handle(body.decode())
            except ValueError:
                channel.basic_reject(method.delivery_tag, requeue=False)
            else:
                channel.basic_ack(method.delivery_tag)

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
        # Finish this: bound how many orders may be on their way to this worker.
        orders = channel.consume(queue, auto_ack=True, inactivity_timeout=5)
        for _, _, body in islice(orders, count):
            if body is None:
                return
            # Finish this: say of each order what became of it, when that is known.
            handle(body.decode())

"""What an exchange can put into no queue goes to its alternate exchange, if it has one.

Watch the misspelt key: order 7 comes back while the alternate exchange has no queue. It
has one for order 9, which is caught, and its publisher is told nothing.
"""

import sys
from functools import partial
from uuid import uuid4

import pika
from pika.exceptions import UnroutableError


def bind(channel, exchange, subscriber, key):
    """Give `subscriber` a queue bound with `key`; return its name."""
    queue = f"{exchange}-{subscriber}"
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    channel.queue_bind(queue, exchange, routing_key=key)
    return queue


def publish(channel, exchange, key, order):
    """Publish an order that comes back if no queue takes it."""
    try:
        channel.basic_publish(exchange, key, order.encode(), mandatory=True)
        print(f"{order}, published with {key}: confirmed, and not returned")
    except UnroutableError:
        print(f"{order}, published with {key}: returned")


def take_all(channel, queue):
    """Take what is in the queue; return each order with its routing key."""
    get = partial(channel.basic_get, queue, auto_ack=True)
    got = iter(get, (None, None, None))
    return [f"{body.decode()}, {method.routing_key}" for method, _, body in got]


def main(
    url="amqp://guest:guest@localhost:5672/", exchange=f"orders-{uuid4().hex[:8]}"
):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        # A fanout, so that it has no key to misspell.
        unmatched = f"{exchange}-unmatched"
        channel.exchange_declare(unmatched, "fanout", durable=True)
        alternate = {"alternate-exchange": unmatched}
        channel.exchange_declare(exchange, "direct", durable=True, arguments=alternate)
        shipping = bind(channel, exchange, "shipping", "paid")
        publish(channel, exchange, "payed", "order 7")
        caught = bind(channel, unmatched, "to-look-at", "")
        publish(channel, exchange, "paid", "order 8")
        publish(channel, exchange, "payed", "order 9")
        print(f"shipping:   {take_all(channel, shipping)}")
        print(f"to look at: {take_all(channel, caught)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

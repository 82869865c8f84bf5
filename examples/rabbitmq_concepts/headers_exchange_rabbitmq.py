"""A headers exchange compares a message's headers with those that a binding asks for.

Watch `x-rush`: with `all` and `any` a binding asks for nothing that begins with `x-`,
and with `all-with-x` and `any-with-x` it does. The routing key counts nowhere.
"""

import sys
from functools import partial
from uuid import uuid4

import pika

ORDERS = {
    "order 1": {"country": "de", "gift": True},
    "order 2": {"country": "de", "x-rush": True},
    "order 3": {"country": "fr", "gift": True},
    "order 4": {"country": "fr", "x-rush": True},
    "order 5": {"country": "fr"},
}
BINDINGS = [
    ("all", {"country": "de", "gift": True}),
    ("any", {"country": "de", "gift": True}),
    ("all", {"country": "de", "x-rush": True}),
    ("all-with-x", {"country": "de", "x-rush": True}),
    ("any", {"country": "de", "x-rush": True}),
    ("any-with-x", {"country": "de", "x-rush": True}),
]


def bind(channel, exchange, match, headers):
    """Return a new queue, which goes with the connection, bound for `headers`."""
    queue = channel.queue_declare("", exclusive=True).method.queue
    arguments = {"x-match": match, **headers}
    channel.queue_bind(queue, exchange, routing_key="de", arguments=arguments)
    return queue


def publish(channel, exchange, order, headers):
    properties = pika.BasicProperties(headers=headers)
    channel.basic_publish(exchange, "de", order.encode(), properties)


def take_all(channel, queue):
    get = partial(channel.basic_get, queue, auto_ack=True)
    return [body.decode() for _, _, body in iter(get, (None, None, None))]


def main(
    url="amqp://guest:guest@localhost:5672/", exchange=f"orders-{uuid4().hex[:8]}"
):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.exchange_declare(exchange, "headers", durable=True)
        queues = [bind(channel, exchange, *binding) for binding in BINDINGS]
        for order, headers in ORDERS.items():
            publish(channel, exchange, order, headers)
            print(f"{order}: {headers}")
        for (match, headers), queue in zip(BINDINGS, queues, strict=True):
            print(f"{match} of {headers}")
            print(f"  {', '.join(take_all(channel, queue))}")


if __name__ == "__main__":
    main(*sys.argv[1:])

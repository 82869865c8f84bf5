"""An order that no binding matches is confirmed by the broker, and it is gone.

Watch the routing key: it is misspelt, and nothing tells the publisher. A binding that
comes later does not bring the order back.
"""

import sys
from functools import partial
from uuid import uuid4

import pika


def declare(channel, exchange):
    """Declare the exchange and a queue that is bound with "paid"; return its name."""
    channel.exchange_declare(exchange, "direct", durable=True)
    queue = f"{exchange}-shipping"
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    channel.queue_bind(queue, exchange, routing_key="paid")
    return queue


def publish(channel, exchange, key, order):
    """Publish and wait for the confirm; a negative one would raise NackError."""
    channel.basic_publish(exchange, key, order.encode())
    print(f"{order}, published with {key}: confirmed")


def take_all(channel, queue):
    get = partial(channel.basic_get, queue, auto_ack=True)
    return [body.decode() for _, _, body in iter(get, (None, None, None))]


def main(
    url="amqp://guest:guest@localhost:5672/", exchange=f"orders-{uuid4().hex[:8]}"
):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        queue = declare(channel, exchange)
        publish(channel, exchange, "paid", "order 7")
        publish(channel, exchange, "payed", "order 8")
        print(f"in the queue: {take_all(channel, queue)}")
        channel.queue_bind(queue, exchange, routing_key="payed")
        print(f"after binding the queue with payed too: {take_all(channel, queue)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

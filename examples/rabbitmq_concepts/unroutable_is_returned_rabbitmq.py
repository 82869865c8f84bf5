"""A mandatory order that no binding matches comes back to its publisher.

Watch the reason, which the return carries. The confirm comes after it, and is the same
as for an order that has found a queue.
"""

import sys
from uuid import uuid4

import pika
from pika.exceptions import UnroutableError


def declare(channel, exchange):
    """Declare the exchange and a queue that is bound with "paid"; return its name."""
    channel.exchange_declare(exchange, "direct", durable=True)
    queue = f"{exchange}-shipping"
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    channel.queue_bind(queue, exchange, routing_key="paid")
    return queue


def publish(channel, exchange, key, order):
    """Publish and wait for the confirm; what came back before it raises an error."""
    try:
        channel.basic_publish(exchange, key, order.encode(), mandatory=True)
    except UnroutableError as error:
        (returned,) = error.messages
        reason = f"{returned.method.reply_code} {returned.method.reply_text}"
        print(f"{order}, published with {returned.method.routing_key}: {reason}")
        print(f"  what came back: '{returned.body.decode()}'")
    else:
        print(f"{order}, published with {key}: confirmed, and not returned")


def main(
    url="amqp://guest:guest@localhost:5672/", exchange=f"orders-{uuid4().hex[:8]}"
):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        declare(channel, exchange)
        publish(channel, exchange, "paid", "order 7")
        publish(channel, exchange, "payed", "order 8")


if __name__ == "__main__":
    main(*sys.argv[1:])

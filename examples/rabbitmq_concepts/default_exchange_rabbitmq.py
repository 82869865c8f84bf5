"""The default exchange, named "", reaches every queue under its name, and nobody can
change its bindings.

Watch the two refusals, and the key that is almost the queue's name: it comes back.
"""

import sys
from uuid import uuid4

import pika
from pika.exceptions import ChannelClosedByBroker, UnroutableError


def publish(channel, key, order):
    """Publish to the default exchange and say whether a queue took the order."""
    try:
        channel.basic_publish("", key, order.encode(), mandatory=True)
    except UnroutableError:
        return "returned"
    return "in the queue"


def refusal(connection, change):
    """Try `change` on a channel of its own; return the broker's code and text."""
    try:
        change(connection.channel())
    except ChannelClosedByBroker as error:
        return f"{error.reply_code} {error.reply_text}"
    return "none"


def main(url="amqp://guest:guest@localhost:5672/", queue=f"orders-{uuid4().hex[:8]}"):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        print(f"key is the queue's name: {publish(channel, queue, 'order 7')}")
        print(f"key has one letter more: {publish(channel, f'{queue}s', 'order 8')}")
        print("bind the queue with another key:")
        print(
            " ", refusal(connection, lambda other: other.queue_bind(queue, "", "key"))
        )
        print("unbind the queue:")
        print(
            " ", refusal(connection, lambda other: other.queue_unbind(queue, "", queue))
        )


if __name__ == "__main__":
    main(*sys.argv[1:])

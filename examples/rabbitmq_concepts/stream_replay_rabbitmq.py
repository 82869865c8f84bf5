"""A queue and a stream get the same orders; reading empties the queue alone.

Watch the last reader: an acknowledgement deletes nothing, it asks the broker for more.
"""

import sys
import time
from uuid import uuid4

import pika


def declare(channel, name):
    """Declare an exchange, and bind a quorum queue and a stream to it."""
    channel.exchange_declare(name, "fanout")
    for kind in ("quorum", "stream"):
        arguments = {"x-queue-type": kind}
        channel.queue_declare(f"{name}-{kind}", durable=True, arguments=arguments)
        channel.queue_bind(f"{name}-{kind}", name)


def consume(channel, queue, names):
    """Start a consumer of the queue for each name; return the orders that each gets."""
    orders = {name: [] for name in names}

    def take(channel, method, _, body):
        channel.basic_ack(method.delivery_tag)
        orders[method.consumer_tag].append(body.decode())

    for name in names:
        channel.basic_consume(queue, take, consumer_tag=name)
    return orders


def wait_for(connection, orders, count):
    """Let the consumers work until they have `count` orders together."""
    deadline = time.monotonic() + 10
    while sum(map(len, orders.values())) < count and time.monotonic() < deadline:
        connection.process_data_events(time_limit=1)


def read(channel, name, offset=None, ack=True):
    """Return the orders in a queue, or those in a stream from `offset` on."""
    channel.basic_qos(prefetch_count=2)  # A stream insists on a limit.
    start = {} if offset is None else {"x-stream-offset": offset}
    orders = []
    for method, _, body in channel.consume(name, arguments=start, inactivity_timeout=1):
        if method is None:  # None has come for a second.
            channel.cancel()
            return orders
        orders.append(body.decode())
        if ack:
            channel.basic_ack(method.delivery_tag)


def main(url="amqp://localhost", name=f"orders-{uuid4().hex[:8]}"):
    queue, stream = f"{name}-quorum", f"{name}-stream"
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        declare(channel, name)
        orders = consume(channel, queue, ["ann", "ben"])
        for number in range(4):
            channel.basic_publish(name, "", f"order {number}".encode())
        wait_for(connection, orders, 4)
        print("queue:", orders)
        print("queue, once more:", read(channel, queue))
        print("stream:", read(channel, stream, "first"))
        print("stream, once more:", read(channel, stream, "first"))
        print("stream, from offset 2:", read(channel, stream, 2))
        print("stream, without acks:", read(channel, stream, "first", ack=False))


if __name__ == "__main__":
    main(*sys.argv[1:])

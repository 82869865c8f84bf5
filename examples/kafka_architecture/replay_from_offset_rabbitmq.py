"""A consumer of a stream starts at an offset and reads the same messages again.

Watch the offsets: the broker sends each message's own in a header, and remembers
none for an AMQP 0-9-1 consumer.
"""

import sys
from itertools import islice
from uuid import uuid4

import pika


def send_orders(url, stream, count):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        arguments = {"x-queue-type": "stream"}
        channel.queue_declare(stream, durable=True, arguments=arguments)
        for number in range(count):
            channel.basic_publish("", stream, f"order {number}".encode())


def read_from(url, stream, offset, count):
    """Read `count` messages from `offset` on; return them as {offset: order}."""
    orders = {}
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=10)  # A stream insists on a limit.
        start = {"x-stream-offset": offset}
        deliveries = channel.consume(stream, arguments=start, inactivity_timeout=10)
        for method, properties, body in islice(deliveries, count):
            channel.basic_ack(method.delivery_tag)
            orders[int(properties.headers["x-stream-offset"])] = body.decode()
    return orders


def main(url="amqp://localhost", stream=f"orders-{uuid4().hex[:8]}"):
    send_orders(url, stream, 5)
    print(f"read: {read_from(url, stream, 0, 5)}")
    print(f"again from offset 3: {read_from(url, stream, 3, 2)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

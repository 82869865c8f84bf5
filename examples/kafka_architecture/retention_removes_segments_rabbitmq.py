"""A stream's retention removes whole segments from its old end, read or not.

Watch what is left: less than the limit of size, since a segment goes as soon as the
newer ones and it are more than that.
"""

import sys
import time
from uuid import uuid4

import pika

MIB = 1024 * 1024


def create(url, stream, **limits):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        arguments = {"x-queue-type": "stream", **limits}
        connection.channel().queue_declare(stream, durable=True, arguments=arguments)


def send_orders(url, stream, count):
    """Send orders of 100 KiB; eleven of them fill a segment of 1 MiB."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for _ in range(count):
            channel.basic_publish("", stream, bytes(100 * 1024))


def read_all(url, stream):
    """Read the stream from its start until nothing has come for a second; return the
    offsets of the messages.
    """
    offsets = []
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=10)
        first = {"x-stream-offset": "first"}
        messages = channel.consume(stream, arguments=first, inactivity_timeout=1)
        for method, properties, _ in messages:
            if method is None:
                return offsets
            offsets.append(int(properties.headers["x-stream-offset"]))
            channel.basic_ack(method.delivery_tag)


def left(url, stream):
    """Read the stream until two readings in a row agree; return the offsets."""
    before, deadline = None, time.monotonic() + 60
    while (now := read_all(url, stream)) != before:
        if time.monotonic() > deadline:
            raise TimeoutError("The stream has changed for a minute.")
        before = now
    return now


def main(url="amqp://localhost", stream=f"orders-{uuid4().hex[:8]}"):
    limits = {"x-stream-max-segment-size-bytes": MIB, "x-max-length-bytes": 2 * MIB}
    create(url, stream, **limits)
    send_orders(url, stream, 45)
    print("sent: 45 orders of 100 KiB, in segments of 1 MiB")
    offsets = left(url, stream)
    print(
        f"limit 2 MiB: {len(offsets)} orders are left, the first at offset {offsets[0]}"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

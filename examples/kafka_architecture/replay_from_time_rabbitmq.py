"""A consumer of a stream names a time and reads on from there.

Watch the offsets: the first message of the new day is the first one read.
"""

import sys
import time
from datetime import UTC, datetime
from itertools import islice
from uuid import uuid4

import pika


def send_orders(url, stream, orders):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        arguments = {"x-queue-type": "stream"}
        channel.queue_declare(stream, durable=True, arguments=arguments)
        for order in orders:  # The broker notes the time at which it stores them.
            channel.basic_publish("", stream, order.encode())


def read_since(url, stream, moment, count):
    """Read `count` messages that were stored since `moment`, a datetime of which the
    protocol carries whole seconds; return them as {offset: order}.
    """
    orders = {}
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=10)  # A stream insists on a limit.
        start = {"x-stream-offset": moment}
        deliveries = channel.consume(stream, arguments=start, inactivity_timeout=10)
        for method, properties, body in islice(deliveries, count):
            channel.basic_ack(method.delivery_tag)
            orders[int(properties.headers["x-stream-offset"])] = body.decode()
    return orders


def main(url="amqp://localhost", stream=f"orders-{uuid4().hex[:8]}"):
    send_orders(url, stream, ["a lamp", "two books", "a chair"])
    time.sleep(2)  # The night.
    morning = datetime.now(UTC)
    send_orders(url, stream, ["a table", "a pen"])
    print(f"since the morning: {read_since(url, stream, morning, 2)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

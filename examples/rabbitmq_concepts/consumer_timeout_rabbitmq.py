"""A quorum queue takes an order back that is not acknowledged in time.

Watch the channel: the consumer is cancelled, and the channel stays open.
"""

import sys
from uuid import uuid4

import pika
from pika.exceptions import ChannelClosedByBroker


def declare(connection, queue, queue_type):
    """Declare a queue whose consumers have a second to acknowledge an order."""
    channel = connection.channel()
    channel.confirm_delivery()
    arguments = {"x-queue-type": queue_type, "x-consumer-timeout": 1000}
    channel.queue_declare(queue, durable=True, arguments=arguments)
    return channel


def hold(channel, queue):
    """Take an order and never acknowledge it; return when the consumer is cancelled."""
    for _, _, body in channel.consume(queue, inactivity_timeout=10):
        if body is None:
            raise TimeoutError("The consumer was not cancelled.")
        print(f"the consumer holds {body.decode()}")
    print("the broker has cancelled the consumer")  # This ends the loop, without error.


def main(url="amqp://guest:guest@localhost:5672/", queue=f"orders-{uuid4().hex[:8]}"):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = declare(connection, queue, "quorum")
        channel.basic_publish("", queue, b"order 7")
        hold(channel, queue)
        print(f"the channel is open: {channel.is_open}")
        method, properties, body = next(channel.consume(queue, inactivity_timeout=10))
        print(f"a new consumer on it gets {body.decode()}")
        print(f"  redelivered: {method.redelivered}")
        for name in ("x-acquired-count", "x-delivery-count"):
            print(f"  {name}: {properties.headers.get(name)}")
        channel.basic_ack(method.delivery_tag)
        try:
            declare(connection, f"{queue}-classic", "classic")
        except ChannelClosedByBroker as error:
            print(f"a classic queue refuses the argument: {error.reply_code}")


if __name__ == "__main__":
    main(*sys.argv[1:])

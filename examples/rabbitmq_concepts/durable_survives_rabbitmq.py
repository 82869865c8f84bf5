"""A restart keeps a durable queue, and in it the messages that are persistent.

Watch order 2: it lay between two others in the same queue, and it alone is gone.
"""

import pika
from pika import DeliveryMode


def declare(url, queue):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        classic = {"x-queue-type": "classic"}
        connection.channel().queue_declare(queue, durable=True, arguments=classic)


def send_order(url, queue, order, mode):
    """Send one order in the delivery mode `mode` and wait for the confirm."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        properties = pika.BasicProperties(delivery_mode=mode)
        channel.basic_publish("", queue, order.encode(), properties)


def receive(url, queue):
    """Return every order in the queue, until none has come for a second."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        orders = []
        for method, _, body in channel.consume(queue, inactivity_timeout=1):
            if method is None:
                return orders
            channel.basic_ack(method.delivery_tag)
            orders.append(body.decode())


def main(broker, queue="orders"):
    declare(broker.address, queue)
    send_order(broker.address, queue, "order 1", DeliveryMode.Persistent)
    send_order(broker.address, queue, "order 2", DeliveryMode.Transient)
    send_order(broker.address, queue, "order 3", DeliveryMode.Persistent)
    print("the broker confirmed orders 1, 2 and 3")
    broker.stop()
    broker.start()
    print("the broker was stopped and started")
    print(f"received: {receive(broker.address, queue)}")

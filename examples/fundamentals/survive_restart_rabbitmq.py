"""The broker restarts, and an order that was confirmed is still there.

Watch the two settings: the queue is durable and the message is persistent.
"""

import pika


def send_order(url, queue, order):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True)
        persistent = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)
        channel.basic_publish("", queue, order.encode(), persistent)


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
    send_order(broker.address, queue, "order 1: a lamp")
    print("the broker confirmed the order")
    broker.stop()
    broker.start()
    print("the broker was stopped and started")
    print(f"received: {receive(broker.address, queue)}")

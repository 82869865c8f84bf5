"""The broker is restarted, and a confirmed order is gone: it was not persistent.

Watch the queue: it is durable and comes back, without the message in it.
"""

import pika


def send_order(url, queue, order):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(
            queue, durable=True, arguments={"x-queue-type": "classic"}
        )
        transient = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Transient)
        channel.basic_publish("", queue, order.encode(), transient)


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

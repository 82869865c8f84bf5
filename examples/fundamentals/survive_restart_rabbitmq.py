"""The broker is killed and started, and a confirmed order is still there.

Watch two settings of this classic queue: it is durable, and the message is persistent.
"""

import pika


def send_order(url, queue, order):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(
            queue, durable=True, arguments={"x-queue-type": "classic"}
        )
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
    broker.kill()
    broker.start()
    print("the broker was killed and started")
    print(f"received: {receive(broker.address, queue)}")

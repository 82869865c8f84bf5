"""A restart deletes a queue that is not durable, with the persistent messages in it.

Watch the broker's answers: this one accepts such a queue, and others of its version
refuse it.
"""

import pika
from pika.exceptions import ChannelClosedByBroker, ConnectionClosedByBroker


def declare(url, queue, durable):
    """Declare a classic queue for everybody; return what the broker says to that."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        classic = {"x-queue-type": "classic"}
        try:
            channel.queue_declare(queue, durable=durable, arguments=classic)
        except ConnectionClosedByBroker as refusal:
            return f"refused with {refusal.reply_code}"
        return "accepted"


def send_order(url, queue, order):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        persistent = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)
        channel.basic_publish("", queue, order.encode(), persistent)


def count(url, queue):
    """Return how many messages are in the queue, or None if there is no such queue."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        try:
            return channel.queue_declare(queue, passive=True).method.message_count
        except ChannelClosedByBroker:
            return None


def main(broker, queue="orders"):
    kinds = {"durable": True, "transient": False}
    for kind, durable in kinds.items():
        answer = declare(broker.address, f"{queue}-{kind}", durable)
        print(f"{kind} queue: {answer}")
        send_order(broker.address, f"{queue}-{kind}", "order 1")
    broker.stop()
    broker.start()
    print("the broker was stopped and started")
    for kind in kinds:
        found = count(broker.address, f"{queue}-{kind}")
        print(f"{kind} queue: {'gone' if found is None else f'{found} order'}")

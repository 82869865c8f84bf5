"""An order without priority waits as long as urgent ones keep coming.

Watch its place: each urgent order is sent while the one before is being worked on.
"""

import sys
from uuid import uuid4

import pika

QUEUES = {
    "quorum queue": {"x-queue-type": "quorum"},
    "classic queue with x-max-priority": {"x-max-priority": 9},
}
URGENT = pika.BasicProperties(priority=9)


def place_of_the_ordinary_order(channel, queue, urgent):
    """Work while `urgent` orders come one by one; return when the ordinary one came."""
    channel.basic_qos(prefetch_count=1)
    channel.basic_publish("", queue, b"urgent", URGENT)
    channel.basic_publish("", queue, b"ordinary")
    orders = channel.consume(queue, inactivity_timeout=10)
    for place, (method, _, order) in enumerate(orders, start=1):
        if place < urgent:
            channel.basic_publish("", queue, b"urgent", URGENT)
        channel.basic_ack(method.delivery_tag)
        if order == b"ordinary":
            channel.cancel()
            return place


def main(url="amqp://guest:guest@localhost:5672/", queue=f"orders-{uuid4().hex[:8]}"):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for number, (kind, arguments) in enumerate(QUEUES.items()):
            name = f"{queue}-{number}"
            channel.queue_declare(name, durable=True, arguments=arguments)
            place = place_of_the_ordinary_order(channel, name, urgent=200)
            print(f"{kind}: 200 urgent orders, the ordinary one was number {place}")


if __name__ == "__main__":
    main(*sys.argv[1:])

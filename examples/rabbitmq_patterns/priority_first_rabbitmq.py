"""Urgent orders overtake those that wait, and within a priority the order is kept.

Watch the last line: a classic queue that was not told to heed priorities ignores them.
"""

import sys
from uuid import uuid4

import pika

# RabbitMQ's quorum queues have priorities 0 to 31; a classic queue is told how many.
QUEUES = {
    "quorum queue": {"x-queue-type": "quorum"},
    "classic queue with x-max-priority": {"x-max-priority": 9},
    "classic queue without it": {},
}
URGENT = {4, 6}


def send_orders(channel, queue, count):
    """Send orders 1 to `count`; only the urgent ones say a priority."""
    for number in range(1, count + 1):
        properties = pika.BasicProperties(priority=9 if number in URGENT else None)
        channel.basic_publish("", queue, str(number).encode(), properties)


def receive(channel, queue, count):
    """Take one order after the other; return their numbers."""
    channel.basic_qos(prefetch_count=1)
    numbers = []
    for method, _, body in channel.consume(queue, inactivity_timeout=10):
        numbers.append(int(body))
        channel.basic_ack(method.delivery_tag)
        if len(numbers) == count:
            channel.cancel()
            return numbers


def main(url="amqp://guest:guest@localhost:5672/", queue=f"orders-{uuid4().hex[:8]}"):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for number, (kind, arguments) in enumerate(QUEUES.items()):
            name = f"{queue}-{number}"
            channel.queue_declare(name, durable=True, arguments=arguments)
            send_orders(channel, name, 7)
            print(f"{kind}: {receive(channel, name, 7)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

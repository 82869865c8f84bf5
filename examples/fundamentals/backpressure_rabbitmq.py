"""A consumer that has not finished gets no more: the broker stops at the prefetch limit.

Watch the deliveries: three come by themselves, the fourth after an acknowledgement.
"""

import sys
from uuid import uuid4

import pika


def send_orders(channel, queue, count):
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    for number in range(1, count + 1):
        channel.basic_publish("", queue, f"order {number}".encode())


def take(deliveries):
    """Return what is delivered, as (delivery tag, order), until none has come for a second."""
    taken = []
    for method, _, body in deliveries:
        if method is None:
            return taken
        taken.append((method.delivery_tag, body.decode()))


def main(url="amqp://localhost", queue=f"orders-{uuid4().hex[:8]}"):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        send_orders(channel, queue, 10)
        channel.basic_qos(prefetch_count=3)
        deliveries = channel.consume(queue, inactivity_timeout=1)
        taken = take(deliveries)
        print(f"10 orders wait, prefetch is 3: {', '.join(order for _, order in taken)}")
        channel.basic_ack(taken[0][0])
        print(
            f"acknowledged 1, delivered more: {', '.join(order for _, order in take(deliveries))}"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What a consumer was sent and has not acknowledged comes back when it is gone.

Watch orders 1, 3 and 5: the next worker gets them in their order, marked redelivered.
"""

import sys
from itertools import islice
from uuid import uuid4

import pika


def send_orders(url, queue, count):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        for number in range(1, count + 1):
            channel.basic_publish("", queue, f"order {number}".encode())


def work(url, queue, count, done):
    """Receive `count` orders and acknowledge those in `done`; return what came."""
    received = []
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        deliveries = channel.consume(queue, inactivity_timeout=10)
        for method, _, body in islice(deliveries, count):
            order = body.decode()
            received.append(f"{order}, redelivered: {method.redelivered}")
            if order in done:
                channel.basic_ack(method.delivery_tag)
    return received


def main(url="amqp://guest:guest@localhost:5672/", queue=f"orders-{uuid4().hex[:8]}"):
    send_orders(url, queue, 5)
    print("worker 1 acknowledges orders 2 and 4 and closes:")
    print(*work(url, queue, 5, done=["order 2", "order 4"]), sep="\n")
    print("worker 2 is sent what is left:")
    left = ["order 1", "order 3", "order 5"]
    print(*work(url, queue, 3, done=left), sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A quorum queue does not count basic.nack with requeue: a bad order comes for ever.

Watch the orders behind it: with a prefetch of one the worker never gets to them.
"""

import sys
from uuid import uuid4

import pika


def send_orders(url, queue):
    """Send three orders to a quorum queue with its default delivery limit, 20."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        for order in ("order 1 (bad)", "order 2", "order 3"):
            channel.basic_publish("", queue, order.encode())


def work(url, queue, prefetch, patience):
    """Return the bad order with a nack until it has come `patience` times; return the
    headers that it came with, and which orders were handled meanwhile.
    """
    headers, handled = [], []
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=prefetch)
        for method, properties, body in channel.consume(queue, inactivity_timeout=10):
            if body is None or len(headers) == patience:
                return headers, handled
            if b"bad" in body:
                headers.append(properties.headers or {})
                channel.basic_nack(method.delivery_tag, requeue=True)
            else:
                handled.append(body.decode())
                channel.basic_ack(method.delivery_tag)


def main(url="amqp://guest:guest@localhost:5672/", queue=f"orders-{uuid4().hex[:8]}"):
    send_orders(url, queue)
    headers, handled = work(url, queue, prefetch=1, patience=50)
    for number in (1, 2, 3, 50):
        print(f"order 1, delivery {number}")
        for name in ("x-acquired-count", "x-delivery-count"):
            print(f"  {name}: {headers[number - 1].get(name)}")
    print(f"handled meanwhile, with a prefetch of 1: {handled}")
    headers, handled = work(url, queue, prefetch=2, patience=50)
    print(f"handled meanwhile, with a prefetch of 2: {handled}")


if __name__ == "__main__":
    main(*sys.argv[1:])

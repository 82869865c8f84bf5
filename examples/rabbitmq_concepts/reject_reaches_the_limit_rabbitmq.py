"""A quorum queue counts basic.reject with requeue, and dead-letters above its limit.

Watch the dead letter: its headers say why it died and how often it was tried.
"""

import sys
from collections import Counter
from uuid import uuid4

import pika


def send_orders(url, queue, dead):
    """Send two orders to a queue with its default limit, 20, that dead-letters."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        arguments = {"x-queue-type": "quorum"}
        channel.queue_declare(dead, durable=True, arguments=arguments)
        arguments |= {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
        channel.queue_declare(queue, durable=True, arguments=arguments)
        for order in ("order 1 (bad)", "order 2"):
            channel.basic_publish("", queue, order.encode())


def work(url, queue):
    """Reject the bad order whenever it comes; return how often each order came, when
    none has come for two seconds.
    """
    deliveries = Counter()
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        for method, _, body in channel.consume(queue, inactivity_timeout=2):
            if method is None:
                return deliveries
            deliveries[body.decode()] += 1
            if b"bad" in body:
                channel.basic_reject(method.delivery_tag, requeue=True)
            else:
                channel.basic_ack(method.delivery_tag)


def read_dead_letter(url, dead):
    """Return the body and the headers of a dead letter."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        method, properties, body = next(channel.consume(dead, inactivity_timeout=10))
        channel.basic_ack(method.delivery_tag)
        return body.decode(), properties.headers


def main(url="amqp://guest:guest@localhost:5672/", queue=f"orders-{uuid4().hex[:8]}"):
    dead = f"{queue}-dead"
    send_orders(url, queue, dead)
    for order, deliveries in sorted(work(url, queue).items()):
        print(f"{order}: deliveries: {deliveries}")
    order, headers = read_dead_letter(url, dead)
    print(f"dead letter: {order}")
    for name in ("x-first-death-reason", "x-delivery-count", "x-acquired-count"):
        print(f"  {name}: {headers[name]}")
    (death,) = headers["x-death"]
    print(f"  x-death: reason {death['reason']}, count {death['count']}")


if __name__ == "__main__":
    main(*sys.argv[1:])

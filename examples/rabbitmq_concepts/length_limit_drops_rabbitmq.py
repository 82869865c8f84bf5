"""A full queue makes room by dropping its oldest message, and confirms the new one.

Watch orders 1 and 2: both were confirmed, and the dead letters say what became of them.
"""

import sys
from uuid import uuid4

import pika

LIMIT = 3


def declare(url, queue, kind):
    """Declare a queue with a limit, and one for what it drops."""
    limited = {
        "x-queue-type": kind,
        "x-max-length": LIMIT,
        "x-overflow": "drop-head",  # The default.
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": f"{queue}-dropped",
    }
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.queue_declare(queue, durable=True, arguments=limited)
        channel.queue_declare(
            f"{queue}-dropped", durable=True, arguments={"x-queue-type": kind}
        )


def send_orders(url, queue, count):
    """Send the orders, waiting for the confirm of each; return how many came."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for number in range(1, count + 1):
            channel.basic_publish("", queue, f"order {number}".encode())
        return count


def receive(url, queue):
    """Return every order in the queue with the reason of its death, if it has one."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        orders = []
        for method, properties, body in channel.consume(queue, inactivity_timeout=1):
            if method is None:
                return orders
            channel.basic_ack(method.delivery_tag)
            deaths = (properties.headers or {}).get("x-death", [])
            orders.append(
                " ".join([body.decode(), *(each["reason"] for each in deaths)])
            )


def main(url="amqp://localhost", queue=f"orders-{uuid4().hex[:8]}"):
    declare(url, queue, "quorum")
    confirmed = send_orders(url, queue, 5)
    print(f"limit: {LIMIT} orders, confirmed: {confirmed} of 5")
    print(f"left: {receive(url, queue)}")
    print(f"dead-lettered: {receive(url, f'{queue}-dropped')}")


if __name__ == "__main__":
    main(*sys.argv[1:])

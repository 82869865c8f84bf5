"""By default RabbitMQ sends a dead letter at most once: what no queue takes is gone.

Watch the two letters: their queue is made too late for one, and is full for the other.
"""

from uuid import uuid4

import pika

QUORUM = {"x-queue-type": "quorum"}
PERSISTENT = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)
STRATEGY = {}  # At most once.


def refuse_order(url, queue, order):
    """Send an order to a queue whose dead letters go to another, and refuse it."""
    dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": f"{queue}-dead"}
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        arguments = QUORUM | dead | STRATEGY
        channel.queue_declare(queue, durable=True, arguments=arguments)
        channel.basic_publish("", queue, order.encode())
        method, _, _ = next(channel.consume(queue, inactivity_timeout=10))
        channel.basic_reject(method.delivery_tag, requeue=False)


def fill(url, queue):
    """Declare a queue that takes one letter and refuses the next, and fill it."""
    limit = {"x-max-length": 1, "x-overflow": "reject-publish"}
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True, arguments=limit)
        channel.basic_publish("", queue, b"old letter", PERSISTENT)


def receive(url, queue, more=None):
    """Declare a queue and empty it, until it has been silent for two seconds."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel, letters = connection.channel(), []
        channel.queue_declare(queue, durable=True, passive=more is None, arguments=more)
        for method, _, letter in channel.consume(queue, inactivity_timeout=2):
            if method is None:
                return letters
            letters.append(letter.decode())
            channel.basic_ack(method.delivery_tag)


def main(broker, queue=f"orders-{uuid4().hex[:8]}"):
    url = broker.address
    refuse_order(url, f"{queue}-1", "order 1")  # There is no queue yet for its letter.
    fill(url, f"{queue}-2-dead")
    refuse_order(url, f"{queue}-2", "order 2")
    print(f"made too late: {receive(url, f'{queue}-1-dead', QUORUM)}")
    print(f"was full: {receive(url, f'{queue}-2-dead')}")
    # RabbitMQ tries again after three minutes, or when the queue has a new leader.
    broker.stop()
    broker.start()
    for number in (1, 2):
        print(f"after a restart, {number}: {receive(url, f'{queue}-{number}-dead')}")

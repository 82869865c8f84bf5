"""RabbitMQ writes into each dead letter why it died, where, when and how often.

Watch the reasons: four deaths of four queues, and all letters lie in one queue.
"""

import sys
from uuid import uuid4

import pika

# What each of four queues is declared with, beside the address of its dead letters.
DEATHS = {
    "rejected": {},
    "expired": {"x-message-ttl": 100},
    "maxlen": {"x-max-length": 1},
    "delivery_limit": {"x-delivery-limit": 1},
}


def declare(channel, name):
    """Declare an exchange, bind to it a queue for each reason, and one for the dead."""
    quorum = {"x-queue-type": "quorum"}
    channel.exchange_declare(name, "direct")
    channel.queue_declare(f"{name}-dead", durable=True, arguments=quorum)
    dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": f"{name}-dead"}
    for reason, limits in DEATHS.items():
        queue, arguments = f"{name}-{reason}", quorum | dead | limits
        channel.queue_declare(queue, durable=True, arguments=arguments)
        channel.queue_bind(queue, name, f"placed.{reason}")


def take(channel, queue):
    """Return the next message of a queue: how it came, its properties and its body."""
    message = next(channel.consume(queue, inactivity_timeout=10))
    channel.cancel()
    return message


def let_die(channel, name, reason):
    """Publish an order and let it die of `reason`; return its dead letter."""
    queue = f"{name}-{reason}"
    channel.basic_publish(name, f"placed.{reason}", b"order 1")
    if reason == "rejected":
        channel.basic_reject(take(channel, queue)[0].delivery_tag, requeue=False)
    if reason == "maxlen":
        channel.basic_publish(name, f"placed.{reason}", b"order 2")
    if reason == "delivery_limit":
        for method, *_ in (take(channel, queue) for _ in range(2)):
            channel.basic_reject(method.delivery_tag, requeue=True)
    method, properties, body = take(channel, f"{name}-dead")
    channel.basic_ack(method.delivery_tag)
    return body.decode(), properties.headers


def main(url="amqp://guest:guest@localhost:5672/", name=f"orders-{uuid4().hex[:8]}"):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        declare(channel, name)
        for reason in DEATHS:
            order, headers = let_die(channel, name, reason)
            (death,) = headers.pop("x-death")
            print(f"{order}: {death['reason']}, count {death['count']}")
            print(f"  was sent with the key {death['routing-keys']}")
            print(f"  died in {death['queue'].replace(name, 'orders')}")
    print(f"fields of x-death: {sorted(death)}")
    print(f"other headers: {sorted(headers)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

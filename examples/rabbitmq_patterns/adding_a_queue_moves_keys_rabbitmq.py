"""A fourth queue takes only its share of the keys, or most keys move: see the exchange.
Your own broker needs `rabbitmq-plugins enable rabbitmq_consistent_hash_exchange`.

Watch a customer that moved: its second step is in another queue than its first.
"""

import sys
from uuid import uuid4

import pika

CUSTOMERS = [f"customer-{number}" for number in range(1, 101)]


def add_queue(channel, exchange, number):
    queue = f"{exchange}-{number}"
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    # To x-consistent-hash this is the queue's weight, to x-modulus-hash it is nothing.
    channel.queue_bind(queue, exchange, routing_key="1")
    return queue


def send_all(channel, exchange, step):
    for customer in CUSTOMERS:
        channel.basic_publish(exchange, customer, step.encode())


def read(channel, queue):
    """Take all messages from the queue; return the customer and the step of each."""
    found = []
    while (delivery := channel.basic_get(queue, auto_ack=True))[0]:
        method, _, body = delivery
        found.append((method.routing_key, body.decode()))
    return found


def send_around_growth(channel, exchange, kind):
    """Let three queues become four between two steps; return where each step is."""
    channel.exchange_declare(exchange, kind, durable=True)
    queues = [add_queue(channel, exchange, number) for number in (1, 2, 3)]
    send_all(channel, exchange, "placed")
    queues.append(add_queue(channel, exchange, 4))
    send_all(channel, exchange, "paid")
    return {
        step: number
        for number, queue in enumerate(queues, 1)
        for step in read(channel, queue)
    }


def main(url="amqp://localhost", exchange=f"orders-{uuid4().hex[:8]}"):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for kind in ("x-modulus-hash", "x-consistent-hash"):
            place = send_around_growth(channel, f"{exchange}-{kind}", kind)
            pairs = [(place[each, "placed"], place[each, "paid"]) for each in CUSTOMERS]
            moved = [pair for pair in pairs if pair[0] != pair[1]]
            new = sum(pair[1] == 4 for pair in moved)
            print(f"{kind}: {len(moved)} of 100 keys moved, {new} to the new queue")
            old, new = moved[0]
            print(f"  a customer was placed in queue {old}, and paid in queue {new}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A request says where its answer shall go, and the answer says what it answers.

Watch the order: the second question is answered first, and each price is right.
"""

import sys
from uuid import uuid4

import pika

PRICES = {"a lamp": "20", "two books": "24"}


def declare(channel, queue):
    """Declare the queue of the price service; return the name of a reply queue."""
    channel.confirm_delivery()
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    # It belongs to this connection and goes with it; the broker gives the name.
    return channel.queue_declare("", exclusive=True).method.queue


def ask(channel, queue, reply_to, article):
    """Ask for a price; return the identifier that the answer will carry."""
    properties = pika.BasicProperties(reply_to=reply_to, correlation_id=str(uuid4()))
    channel.basic_publish("", queue, article.encode(), properties)
    return properties.correlation_id


def answer(channel, queue, count):
    """Take `count` requests and answer the last one first."""
    requests = channel.consume(queue, inactivity_timeout=10)
    for method, asked, article in reversed([next(requests) for _ in range(count)]):
        properties = pika.BasicProperties(correlation_id=asked.correlation_id)
        price = PRICES[article.decode()].encode()
        channel.basic_publish("", asked.reply_to, price, properties)
        channel.basic_ack(method.delivery_tag)


def collect(answers, open_calls):
    """Return the price of each article; `open_calls` says which id asked for which."""
    prices = {}
    while open_calls:
        _, properties, price = next(answers)
        if article := open_calls.pop(properties.correlation_id, None):
            prices[article] = price.decode()
    return prices


def main(url="amqp://guest:guest@localhost:5672/", queue=f"prices-{uuid4().hex[:8]}"):
    parameters = pika.URLParameters(url)
    with (
        pika.BlockingConnection(parameters) as shop,
        pika.BlockingConnection(parameters) as service,
    ):
        channel = shop.channel()
        replies = declare(channel, queue)
        open_calls = {ask(channel, queue, replies, each): each for each in PRICES}
        print(f"asked for: {list(PRICES)}")
        answer(service.channel(), queue, 2)
        answers = channel.consume(replies, auto_ack=True, inactivity_timeout=10)
        print(f"answered: {collect(answers, open_calls)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""An answer that comes after the time-out must not be taken for that of the next call.

Watch the price of the books: who takes the first answer gets that of the lamp.
"""

import sys
from uuid import uuid4

import pika

PRICES = {"a lamp": "20", "two books": "24"}


def ask(channel, queue, reply_to, article):
    """Ask for a price; return the identifier that the answer will carry."""
    properties = pika.BasicProperties(reply_to=reply_to, correlation_id=str(uuid4()))
    channel.basic_publish("", queue, article.encode(), properties)
    return properties.correlation_id


def take_first(answers, correlation_id):
    """Return the first answer that comes, whatever it answers."""
    _, _, price = next(answers)
    return price and price.decode()


def take_own(answers, correlation_id):
    """Return the answer to this question; drop those that nobody waits for any more."""
    for _, properties, price in answers:
        if properties is None:
            return None  # Silence until the answer's time was over.
        if properties.correlation_id == correlation_id:
            return price.decode()
        print(f"  dropped a late answer: {price.decode()}")


def answer(channel, queue):
    """Answer one request."""
    method, asked, article = next(channel.consume(queue, inactivity_timeout=10))
    properties = pika.BasicProperties(correlation_id=asked.correlation_id)
    price = PRICES[article.decode()].encode()
    channel.basic_publish("", asked.reply_to, price, properties)
    channel.basic_ack(method.delivery_tag)


def call_twice(url, queue, take):
    """Ask for two prices, of which the first is answered too late."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        shop, service = connection.channel(), connection.channel()
        shop.confirm_delivery()
        shop.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        replies = shop.queue_declare("", exclusive=True).method.queue
        answers = shop.consume(replies, auto_ack=True, inactivity_timeout=1)
        lamp = ask(shop, queue, replies, "a lamp")
        print(f"  a lamp: {take(answers, lamp) or 'no answer in time'}")
        answer(service, queue)
        books = ask(shop, queue, replies, "two books")
        answer(service, queue)
        print(f"  two books: {take(answers, books)}")


def main(url="amqp://guest:guest@localhost:5672/", queue=f"prices-{uuid4().hex[:8]}"):
    for take in (take_first, take_own):
        print(f"{take.__name__}:")
        call_twice(url, queue, take)


if __name__ == "__main__":
    main(*sys.argv[1:])

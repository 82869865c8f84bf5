"""The client waits until its deadline, and the request expires before it.

Watch the service: it comes too late for the lamp, and works only for who still waits.
"""

import sys
import time
from uuid import uuid4

import pika

PRICES = {"a lamp": "20", "two books": "24"}


def ask(channel, queue, reply_to, article, milliseconds):
    """Ask for a price, within a time; return the identifier of the answer."""
    properties = pika.BasicProperties(
        reply_to=reply_to, correlation_id=str(uuid4()), expiration=str(milliseconds)
    )
    channel.basic_publish("", queue, article.encode(), properties)
    return properties.correlation_id


def wait_for(channel, reply_to, correlation_id, seconds):
    """Return the answer, or None if it has not come by the deadline."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        _, properties, price = next(
            channel.consume(reply_to, auto_ack=True, inactivity_timeout=left)
        )
        if properties and properties.correlation_id == correlation_id:
            return price.decode()


def work_off(channel, queue):
    """Answer what is in the queue, until nothing has come for a second."""
    for method, asked, article in channel.consume(queue, inactivity_timeout=1):
        if method is None:
            return
        print(f"the service works on {article.decode()}")
        properties = pika.BasicProperties(correlation_id=asked.correlation_id)
        price = PRICES[article.decode()].encode()
        channel.basic_publish("", asked.reply_to, price, properties)
        channel.basic_ack(method.delivery_tag)


def main(url="amqp://guest:guest@localhost:5672/", queue=f"prices-{uuid4().hex[:8]}"):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        shop, service = connection.channel(), connection.channel()
        shop.confirm_delivery()
        shop.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        replies = shop.queue_declare("", exclusive=True).method.queue
        # One second less than the shop waits: the answer must come back in it.
        lamp = ask(shop, queue, replies, "a lamp", milliseconds=1000)
        price = wait_for(shop, replies, lamp, seconds=2)
        print(f"a lamp: {price or 'no answer in time'}")
        books = ask(shop, queue, replies, "two books", milliseconds=10000)
        work_off(service, queue)
        print(f"two books: {wait_for(shop, replies, books, seconds=11)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

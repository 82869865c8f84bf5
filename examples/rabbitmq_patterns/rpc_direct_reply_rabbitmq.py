"""Direct reply-to brings the answer to the channel that asked, and no queue is made.

Watch the shop that has gone: the service can see it, and its answer is still confirmed.
"""

import sys
import time
from uuid import uuid4

import pika
from pika.exceptions import ChannelClosedByBroker

REPLY_TO = "amq.rabbitmq.reply-to"  # A name that RabbitMQ knows, not a queue.


def ask(channel, queue, article):
    """Ask for a price; return the list to which the answer will be added."""
    answers = []
    # Without acknowledgements, and before the request, on the same channel.
    channel.basic_consume(
        REPLY_TO, lambda *each: answers.append(each[3]), auto_ack=True
    )
    properties = pika.BasicProperties(reply_to=REPLY_TO, correlation_id=str(uuid4()))
    channel.basic_publish("", queue, article.encode(), properties)
    return answers


def answer(channel, queue, price):
    """Answer one request to the address that RabbitMQ has put into it; return that."""
    method, asked, _ = next(channel.consume(queue, inactivity_timeout=10))
    channel.cancel()
    properties = pika.BasicProperties(correlation_id=asked.correlation_id)
    channel.basic_publish("", asked.reply_to, price.encode(), properties)
    channel.basic_ack(method.delivery_tag)
    return asked.reply_to


def is_there(connection, address):
    """Tell whether the client that waits at `address` is connected."""
    try:
        connection.channel().queue_declare(address, passive=True)
        return True
    except ChannelClosedByBroker:
        return False


def main(url="amqp://guest:guest@localhost:5672/", queue=f"prices-{uuid4().hex[:8]}"):
    parameters = pika.URLParameters(url)
    with pika.BlockingConnection(parameters) as service:
        channel = service.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        with pika.BlockingConnection(parameters) as shop:
            answers = ask(shop.channel(), queue, "a lamp")
            address = answer(channel, queue, "20")
            deadline = time.monotonic() + 10
            while not answers and time.monotonic() < deadline:
                shop.process_data_events(time_limit=1)
            print(f"a lamp costs {answers[0].decode()}")
            print(f"the service sees the shop: {is_there(service, address)}")
            ask(shop.channel(), queue, "two books")
        address = answer(channel, queue, "24")
        print("the shop has gone, and the broker confirmed the next answer")
        print(f"the service sees the shop: {is_there(service, address)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

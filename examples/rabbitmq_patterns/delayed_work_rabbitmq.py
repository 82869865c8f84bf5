"""Work for later waits in a queue that nobody reads, until its time there is over.

Watch the order: what was sent first is due last, because each delay has its own queue.
"""

import sys
import time
from uuid import uuid4

import pika

DELAYS = (2, 1)  # Seconds.


def declare(channel, queue):
    """Declare the work queue, and for each delay a queue that ends in it."""
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    for seconds in DELAYS:
        arguments = {
            "x-queue-type": "quorum",
            "x-message-ttl": seconds * 1000,
            # What has expired goes to the default exchange, and so to the work queue.
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": queue,
        }
        name = f"{queue}-after-{seconds}-s"
        channel.queue_declare(name, durable=True, arguments=arguments)


def send_later(channel, queue, order, seconds):
    channel.basic_publish("", f"{queue}-after-{seconds}-s", order.encode())


def receive(channel, queue, count):
    """Yield `count` orders from the work queue as they come."""
    for method, _, order in channel.consume(queue, inactivity_timeout=10):
        yield order.decode()
        channel.basic_ack(method.delivery_tag)
        count -= 1
        if count == 0:
            return


def main(url="amqp://guest:guest@localhost:5672/", queue=f"mails-{uuid4().hex[:8]}"):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        declare(channel, queue)
        due = {}
        for seconds in DELAYS:
            mail = f"the mail after {seconds} s"
            due[mail] = time.monotonic() + seconds
            send_later(channel, queue, mail, seconds)
            print(f"sent: {mail}")
        for mail in receive(channel, queue, len(DELAYS)):
            # RabbitMQ counts in whole milliseconds.
            early = time.monotonic() < due[mail] - 0.01
            print(f"came: {mail}, {'too early' if early else 'not before its time'}")


if __name__ == "__main__":
    main(*sys.argv[1:])

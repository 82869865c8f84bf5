"""AMQP 1.0, on the port of AMQP 0-9-1: each message is settled with an outcome.

Watch the order that no queue gets: its sender is told so without having asked.
"""

from pathlib import Path
from uuid import uuid4

import pika

JAVA = Path(__file__).with_suffix(".java")


def send_by_0_9_1(url, queue, order):
    """Declare the queue and send it an order by AMQP 0-9-1."""
    about = pika.BasicProperties(content_type="text/plain", headers={"customer": "ann"})
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        quorum = {"x-queue-type": "quorum"}
        channel.queue_declare(queue, durable=True, arguments=quorum)
        channel.basic_publish("", queue, order.encode(), about)


def main(url, amqp, queue=f"orders-{uuid4().hex[:8]}"):
    send_by_0_9_1(url, queue, "order 1")
    # To the Java client a URL that ends in a slash names a virtual host without a name.
    print(amqp(JAVA, url.removesuffix("/"), queue), end="")

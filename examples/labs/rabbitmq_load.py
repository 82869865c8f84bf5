"""A steady load on a cluster of RabbitMQ, safe or unsafe: it is declared, sent, read.

Unsafe is a classic queue, which one node has, a publisher without confirms, and a
consumer with automatic acknowledgement, as in the first tutorials; the queue is durable
and the messages are persistent. Safe is a quorum queue of three, a publisher that sends
again what was not confirmed, and an acknowledgement after the work.
"""

import time
from contextlib import suppress
from itertools import chain, cycle

import pika
from labs.numbered_orders import declare, noted, publish
from pika.exceptions import AMQPError

PATIENCE = 4  # Seconds that a publisher waits for an answer before it changes its node.


def create(nodes, queue, safe):
    """Declare the queue on the first of the nodes, which leads it."""
    declare(nodes[0].address, queue, "quorum" if safe else "classic")


def addresses(nodes):
    """Return where clients connect: to the first node that answers, in this order."""
    return [node.address for node in nodes]


def produce(urls, queue, safe, pause, sent, confirmed, going):
    """Send a number every `pause` seconds while `going` is set, and wait for the rest.

    What is sent is noted in the list `sent`, and the time of each confirm in the
    dictionary `confirmed`; without confirms, the time when the client had sent it.
    """
    if not safe:
        return send_blindly(urls, queue, pause, sent, confirmed, going)
    deadline = time.monotonic() + 150
    for url in cycle(urls):
        again = [number for number in sent if number not in confirmed]
        numbers = chain(again, noted(sent, going))
        publish(url, queue, numbers, confirmed, [], pause, patience=PATIENCE)
        if not going.is_set() and len(confirmed) == len(sent):
            return None
        if time.monotonic() > deadline:
            raise TimeoutError("The orders are not confirmed.")
        time.sleep(0.1)


def send_blindly(urls, queue, pause, sent, confirmed, going):
    """Send without confirms, on a new connection when one is lost."""
    keep = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)
    for url in cycle(urls):
        with (
            suppress(AMQPError),
            pika.BlockingConnection(pika.URLParameters(url)) as connection,
        ):
            channel = connection.channel()
            for number in noted(sent, going):
                channel.basic_publish("", queue, str(number).encode(), keep)
                confirmed[number] = time.monotonic()
                connection.sleep(pause)
        if not going.is_set():
            return
        time.sleep(0.1)


def batches(urls, queue, safe, size):
    """Yield the numbers of each batch, with what acknowledges it; none if none is left.

    It goes on without end, on a new connection when one is lost.
    """
    for url in cycle(urls):
        batch = []
        with (
            suppress(AMQPError),
            pika.BlockingConnection(pika.URLParameters(url)) as connection,
        ):
            channel = connection.channel()
            channel.basic_qos(prefetch_count=size)
            deliveries = channel.consume(
                queue, auto_ack=not safe, inactivity_timeout=0.3
            )
            for method, _, body in deliveries:
                if method:
                    batch.append(int(body))
                    tag = method.delivery_tag
                if batch and (not method or len(batch) == size):
                    done, batch = batch, []
                    yield done, acknowledge(channel, tag) if safe else bool
                elif not method:
                    left = channel.queue_declare(queue, passive=True).method
                    if not left.message_count:
                        yield [], bool
        if batch and not safe:
            yield batch, bool  # They were the consumer's the moment they were sent.
        time.sleep(0.1)


def acknowledge(channel, tag):
    """Return what acknowledges everything up to `tag`, if the connection is there."""

    def ack():
        with suppress(AMQPError):
            channel.basic_ack(tag, multiple=True)

    return ack

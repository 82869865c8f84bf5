"""A consumer never holds more unacknowledged orders than its prefetch allows.

Watch worker 2, which comes later: without a limit worker 1 was sent everything.
"""

import sys
from uuid import uuid4

import pika


def send_orders(url, queue, count):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        for number in range(1, count + 1):
            channel.basic_publish("", queue, f"order {number}".encode())


def start_worker(connection, prefetch):
    channel = connection.channel()
    channel.basic_qos(prefetch_count=prefetch)
    return channel


def take(channel, queue):
    """Take orders until none has come for a second; return their delivery tags."""
    tags = []
    for method, _, _ in channel.consume(queue, inactivity_timeout=1):
        if method is None:
            return tags
        tags.append(method.delivery_tag)


def hold(url, queue, prefetch):
    """Let two workers take what they are sent, and the first acknowledge two orders;
    return how many each holds and how many more the first is sent.
    """
    send_orders(url, queue, 10)
    parameters = pika.URLParameters(url)
    with (
        pika.BlockingConnection(parameters) as first,
        pika.BlockingConnection(parameters) as second,
    ):
        one, two = start_worker(first, prefetch), start_worker(second, prefetch)
        tags, other_tags = take(one, queue), take(two, queue)
        for tag in tags[:2]:
            one.basic_ack(tag)
        return len(tags), len(other_tags), len(take(one, queue))


def main(url="amqp://guest:guest@localhost:5672/", queue=f"orders-{uuid4().hex[:8]}"):
    for prefetch in (0, 3):
        one, two, more = hold(url, f"{queue}-{prefetch}", prefetch)
        print(f"10 orders, prefetch {prefetch}{'' if prefetch else ' (no limit)'}:")
        print(f"  worker 1 holds {one}, worker 2 holds {two}")
        print(f"  worker 1 acknowledges 2 and is sent {more} more")


if __name__ == "__main__":
    main(*sys.argv[1:])

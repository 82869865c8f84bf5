"""A stream drops what a named publisher sends again, by the ids of its messages.

Watch what counts as sent again: every id that is not above the highest so far.
"""

import asyncio
import signal
import sys
from multiprocessing import get_context
from urllib.parse import urlsplit
from uuid import uuid4

import pika
from rstream import AMQPMessage, Producer
from rstream.client import Client

USER, PASSWORD = "guest", "guest"


def message(number, text):
    """Return a message of the stream protocol with `number` as its publishing id."""
    message = AMQPMessage(body=text.encode())
    message.publishing_id = number
    return message


async def send(address, stream, name, orders, dies_after=None):
    """Send the orders, a text for each id, and wait for the confirm of each.

    If it dies, then without waiting for the orders above the id `dies_after`.
    """
    async with Producer(*address, username=USER, password=PASSWORD) as producer:
        for number, text in orders.items():
            if dies_after and number > dies_after:
                await producer.send_batch(stream, [message(number, text)], name)
            else:
                await producer.send_wait(stream, message(number, text), name)
        if dies_after:
            signal.raise_signal(signal.SIGKILL)


def publish(*args):
    asyncio.run(asyncio.wait_for(send(*args), 60))


async def last_id(address, stream, name):
    """Ask the broker for the publisher's highest id; 0 if it knows none."""
    client = Client(*address, frame_max=2**20, heartbeat=60)
    await client.start()
    await client.authenticate("/", USER, PASSWORD)
    last = await client.query_publisher_sequence(stream, name)
    await client.close()
    return last


def read(channel, stream):
    """Return every order in the stream, until none has come for a second."""
    channel.basic_qos(prefetch_count=100)
    first, orders = {"x-stream-offset": "first"}, []
    for method, _, body in channel.consume(
        stream, arguments=first, inactivity_timeout=1
    ):
        if method is None:
            channel.cancel()
            return orders
        orders.append(body.decode())
        channel.basic_ack(method.delivery_tag)


def publish_and_die(*args):
    """Publish in a process of its own; return its exit code, -9 after SIGKILL."""
    process = get_context("spawn").Process(target=publish, args=args)
    process.start()
    process.join(60)
    return process.exitcode


def main(url="amqp://guest:guest@localhost:5672/", stream=f"orders-{uuid4().hex[:8]}"):
    # The protocol of streams has a port of its own: 5552, which is 120 below AMQP's.
    to = (urlsplit(url).hostname, urlsplit(url).port - 120), stream
    orders = {number: f"order {number}" for number in range(1, 101)}
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        kind = {"x-queue-type": "stream"}
        channel.queue_declare(stream, durable=True, arguments=kind)
        print(f"the publisher is killed: {publish_and_die(*to, 'web', orders, 50)}")
        stored = len(read(channel, stream))  # Between 50 and 100: nobody was told.
        last = asyncio.run(last_id(*to, "web"))
        print(f"the broker knows its last id: {last == stored}")
        publish(*to, "web", {n: orders[n] for n in orders if n > last})
        each_once = read(channel, stream) == list(orders.values())
        print(f"it goes on after that, each order is stored once: {each_once}")
        for name in ("web", "web-2", None):
            publish(*to, name, orders)
            print(f"all again as {name}: {len(read(channel, stream))} are stored")
        for number in (100, 300, 200):
            publish(*to, "web", {number: f"new under {number}"})
        print("new orders, confirmed under the ids 100, 300 and 200:")
        print(f"  stored: {read(channel, stream)[300:]}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Sixty orders fail at the same moment, and jitter keeps them from coming back as one.

Watch the busiest quarter second of the service, after the calls that failed.
"""

import asyncio
import random
import sys
import time
from itertools import islice
from uuid import uuid4

import pika

ORDERS, BASE, CAP, SLOT = 60, 3, 20, 0.25  # All but the first in seconds.
# The seed makes all runs of this program alike. With the same seed in each of many
# clients they would come back as one again.
chance = random.Random(7)


def exponential(attempt):
    return min(CAP, BASE * 2**attempt)


def full_jitter(attempt):
    return chance.uniform(0, exponential(attempt))


async def charge(port, wait):
    """Call the service at `port` until it takes the order; wait in between."""
    for attempt in range(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        answer = await reader.readline()
        writer.close()
        if answer == b"200\n":
            return
        await asyncio.sleep(wait(attempt))
    raise ConnectionError("The service refused an order five times.")


async def charge_all(orders, wait):
    """Charge all at once while the service is out; return when it was called."""
    calls = []

    async def answer(reader, writer):
        calls.append(time.monotonic())
        writer.write(b"503\n" if len(calls) <= len(orders) else b"200\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", backlog=256) as server:
        port = server.sockets[0].getsockname()[1]
        await asyncio.gather(*(charge(port, wait) for _ in orders))
    return calls


def busiest(calls):
    """Return the most calls that came within any quarter of a second."""
    return max(sum(one <= other < one + SLOT for other in calls) for one in calls)


def work(channel, queue, wait):
    """Handle a window of orders; return the calls after the outage."""
    for number in range(ORDERS):
        channel.basic_publish("", queue, f"order {number}".encode())
    window = list(islice(channel.consume(queue, inactivity_timeout=20), ORDERS))
    calls = asyncio.run(charge_all(window, wait))
    channel.basic_ack(window[-1][0].delivery_tag, multiple=True)
    return calls[ORDERS:]


def main(url="amqp://guest:guest@localhost:5672/", queue=f"orders-{uuid4().hex[:8]}"):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        channel.basic_qos(prefetch_count=ORDERS)
        herd = work(channel, queue, exponential)
        spread = work(channel, queue, full_jitter)
    print(f"orders charged: {len(herd)} without jitter, {len(spread)} with jitter")
    print(f"without jitter over half came at once: {busiest(herd) > ORDERS / 2}")
    print(f"at least 3 times more at once: {busiest(herd) >= 3 * busiest(spread)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

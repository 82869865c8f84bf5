"""Sixty orders fail at the same moment, and jitter keeps them from coming back as one.

Watch the busiest quarter second of the service, after the calls that failed.
"""

import asyncio
import random
import sys
import time
from itertools import islice
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer

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


def work(bootstrap, topic, wait):
    """Handle a batch of orders; return the calls after the outage."""
    with KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=20000,
    ) as consumer:
        orders = list(islice(consumer, ORDERS))
    return asyncio.run(charge_all(orders, wait))[ORDERS:]


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for number in range(ORDERS):
            producer.send(topic, f"order {number}".encode())
    herd, spread = (work(bootstrap, topic, each) for each in (exponential, full_jitter))
    print(f"orders charged: {len(herd)} without jitter, {len(spread)} with jitter")
    print(f"without jitter over half came at once: {busiest(herd) > ORDERS / 2}")
    print(f"at least 3 times more at once: {busiest(herd) >= 3 * busiest(spread)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A quorum queue with delayed retry gives a failed order back later and later.

The delay should be the least one times the number of failures, up to the most. The
consumer fails each time, by a reject or by a nack, and notes when the order is back.
"""

import time
from uuid import uuid4

import pika
from labs.checker import Outcome
from labs.numbered_orders import declare, publish

BROKERS = {"rabbitmq": 1}
CLIENTS = ("pika",)
VARIANTS = ("reject", "nack")
LEAST, MOST, RETRIES = 400, 1600, 6  # The first two in milliseconds.


def fail(address, queue, variant):
    """Fail `RETRIES` times; return the seconds until the order was back each time.

    Returns also the failures that the broker has counted by the last delivery.
    """
    delays, failed = [], None
    with pika.BlockingConnection(pika.URLParameters(address)) as connection:
        channel = connection.channel()
        for method, properties, _ in channel.consume(queue, inactivity_timeout=10):
            if method is None:
                raise TimeoutError("The order has not come back within 10 seconds.")
            if failed:
                delays.append(time.monotonic() - failed)
            if len(delays) == RETRIES:
                channel.basic_ack(method.delivery_tag)
                return delays, (properties.headers or {}).get("x-delivery-count", 0)
            answer = channel.basic_reject if variant == "reject" else channel.basic_nack
            failed = time.monotonic()
            answer(method.delivery_tag, requeue=True)


def run(brokers, variant, note):
    """Run one variant."""
    address, queue = brokers["rabbitmq"].address, f"orders-{uuid4().hex[:8]}"
    declare(
        address,
        queue,
        "quorum",
        delayed_retry_type="all",
        delayed_retry_min=LEAST,
        delayed_retry_max=MOST,
    )
    publish(address, queue, range(1), {}, [])
    note("one order waits")
    delays, counted = fail(address, queue, variant)
    failures = range(1, RETRIES + 1) if variant == "reject" else [1] * RETRIES
    formula = [min(LEAST * each, MOST) / 1000 for each in failures]
    deviations = [delay - by for delay, by in zip(delays, formula, strict=True)]
    note("it has come back after " + ", ".join(f"{each:.2f}" for each in delays) + " s")
    return Outcome(
        counts={
            "failures counted": counted,
            "over 0.3 s off the formula": sum(abs(each) > 0.3 for each in deviations),
        },
        seconds={
            **{f"delay {number}": each for number, each in enumerate(delays, 1)},
            "later than the formula": max(0, *deviations),
            "earlier than the formula": max(0, *(-each for each in deviations)),
        },
    )

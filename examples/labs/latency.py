"""Orders are sent by a clock, and each one's wait is taken from its planned time.

One process sends and receives, so that there is one clock. With a stall every node
stands still for a second.
"""

import time
from threading import Thread
from uuid import uuid4

from kafka_versus_rabbitmq import coordinated_omission_kafka as kafka
from kafka_versus_rabbitmq import coordinated_omission_rabbitmq as rabbitmq
from labs.checker import Outcome
from labs.kafka_topics import new_topic

BROKERS = {"kafka": 3, "rabbitmq": 3}
CLIENTS = ("kafka-python", "pika")
PROGRAMS = {"Kafka": kafka, "RabbitMQ": rabbitmq}
RATES = (250, 1000, 2000, 4000)  # Orders a second.
WARM, MEASURED = 1, 4  # Seconds; the orders of the first are left out.
STALLED = 50  # Orders a second, in the runs with a stall.
STALLS = {"stall, after the answer": True, "stall, by the clock": False}
VARIANTS = tuple(
    f"{broker}: {name}"
    for broker in PROGRAMS
    for name in (*(f"{rate} a second" for rate in RATES), *STALLS)
)


def percentiles(seconds, name):
    """Return the percentiles of waits, in milliseconds, under what they are of."""
    found = {}
    for share in (50, 99, 99.9):
        found[f"p{share} {name}, ms"] = round(
            1000 * kafka.percentile(seconds, share), 1
        )
    found[f"longest {name}, ms"] = round(1000 * max(seconds), 1)
    return found


def freeze(cluster, note):
    """Let every node stand still for a second, two seconds from now."""
    time.sleep(2)
    cluster.pause()
    note("every node stands still")
    time.sleep(1)
    cluster.resume()
    note("they go on")


def run(brokers, variant, note):
    """Run one variant; the brokers are as before when it returns."""
    broker, name = variant.split(": ")
    cluster = brokers[broker.lower()]
    if broker == "Kafka":
        address, place = cluster.address, new_topic(cluster.address)
    else:
        address, place = cluster.nodes[0].address, f"orders-{uuid4().hex[:8]}"
    stalls = name in STALLS
    rate = STALLED if stalls else int(name.split()[0])
    count = rate * (WARM + MEASURED)
    stall = Thread(target=freeze, args=[cluster, note])
    begin = stall.start if stalls else lambda: note("the first order is due")
    waits = PROGRAMS[broker].send_by_the_clock(
        address, place, rate, count, STALLS.get(name), begin
    )
    if stalls:
        stall.join()
    note("all orders have come")
    result = {}
    for seconds, since in zip(waits, ("since sent", "since planned"), strict=True):
        result |= percentiles(seconds[rate * WARM :], since)
    late = sum(wait > 0.5 for wait in waits[1][rate * WARM :])
    return Outcome(counts={"orders": count - rate * WARM, **result, "over 0.5 s": late})

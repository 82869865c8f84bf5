"""The same sums without Java, by Quix Streams: orders by the minute in which they were
placed, with 30 seconds of grace.

Watch what the sums lack: it is what they lack with Kafka Streams.
"""

import sys
import time
from collections import Counter
from datetime import timedelta
from tempfile import TemporaryDirectory
from uuid import uuid4

from kafka import KafkaProducer
from quixstreams import Application
from quixstreams.dataframe.windows import Sum

HOUR = 3600 * int(time.time() / 3600 - 1)  # When the last full hour began.
# The second of that hour when an order was placed, and its euros, in order of arrival.
ORDERS = [
    (10, 10),
    (50, 20),
    (80, 5),
    (40, 7),  # Late, and its minute is open until there is an order of second 90.
    (95, 3),
    (55, 100),  # Too late.
    (180, 50),
]


def send_orders(bootstrap, topic, orders, shop=b"berlin"):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for second, euros in orders:
            placed = 1000 * (HOUR + second)
            value = str(euros).encode()
            producer.send(topic, value, shop, timestamp_ms=placed).get(timeout=10)


def add_up(bootstrap, topic, state):
    """Return each minute and its sum, until no order has come for five seconds."""
    application = Application(
        bootstrap,
        consumer_group=f"{topic}-app",
        auto_offset_reset="earliest",
        state_dir=state,
        loglevel="ERROR",
    )
    orders = application.dataframe(application.topic(topic))
    minutes = orders.tumbling_window(timedelta(minutes=1), timedelta(seconds=30))
    minutes.agg(euros=Sum()).final()
    results = application.run(timeout=5)
    return [(minute(each["start"]), each["euros"]) for each in results]


def minute(milliseconds):
    return (milliseconds // 1000 - HOUR) // 60


def placed_by_minute(orders):
    sums = Counter()
    for second, euros in orders:
        sums[second // 60] += euros
    return sorted(sums.items())


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    send_orders(bootstrap, topic, ORDERS)
    with TemporaryDirectory() as state:
        closed = add_up(bootstrap, topic, state)
    print(f"euros placed in each minute: {placed_by_minute(ORDERS)}")
    print(f"sums that came out:          {closed}")


if __name__ == "__main__":
    main(*sys.argv[1:])

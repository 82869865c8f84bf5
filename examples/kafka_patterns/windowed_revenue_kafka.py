"""Orders are added up by the minute in which they were placed, and each minute has 30
seconds of grace.

Watch what the sums lack: an order that came after the grace of its minute, and the last
minute, which no later order has closed.
"""

import time
from collections import Counter
from pathlib import Path
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

JAVA = Path(__file__).with_suffix(".java")
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


def receive_sums(bootstrap, topic):
    """Return each minute and its sum, until none has come for five seconds."""
    with KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=5000,
    ) as consumer:
        results = [record.value.split() for record in consumer]
    return [(minute(int(start)), int(euros)) for start, euros in results]


def minute(milliseconds):
    return (milliseconds // 1000 - HOUR) // 60


def placed_by_minute(orders):
    sums = Counter()
    for second, euros in orders:
        sums[second // 60] += euros
    return sorted(sums.items())


def main(bootstrap, streams, topic=f"orders-{uuid4().hex[:8]}"):
    sums = f"{topic}-sums"
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics([topic, sums], wait_for_metadata=True)
    settings = {
        "application.id": f"{topic}-app",
        "statestore.cache.max.bytes": "0",  # Pass on each order, not every 30 seconds.
    }
    with streams(JAVA, settings, topic, sums):
        send_orders(bootstrap, topic, ORDERS)
        closed = receive_sums(bootstrap, sums)
    print(f"euros placed in each minute: {placed_by_minute(ORDERS)}")
    print(f"sums that came out:          {closed}")

"""A Kafka consumer writes its dead letters itself, and so also what they say.

Watch the headers: they lead back to the record and tell whether it was tried again.
"""

import json
import sys
from itertools import islice
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer

TRIES = 3
ORDERS = [b'{"order": 1, "cents": 900}', b"order 2", b'{"order": 3, "cents": -1}']


def handle(order):
    """Charge an order. A value that is not JSON can never be handled."""
    if json.loads(order)["cents"] < 0:
        raise ConnectionError("The bank is away.")  # It stands for a transient error.


def try_to(handle, order):
    """Return the error that stays and the attempts made, or nothing for success."""
    for attempt in range(1, TRIES + 1):
        try:
            return handle(order)
        except ValueError as error:
            return error, attempt
        except ConnectionError as error:
            last = error, attempt
    return last


def bury(producer, topic, record, error, attempt):
    """Send the record to the dead letters; wait until all replicas in sync have it."""
    headers = {
        "dead.topic": record.topic,
        "dead.partition": record.partition,
        "dead.offset": record.offset,
        "dead.timestamp": record.timestamp,
        "dead.error": type(error).__name__,
        "dead.attempts": attempt,
    }
    own = [(name, str(value).encode()) for name, value in headers.items()]
    letter = {"key": record.key, "headers": [*record.headers, *own]}
    producer.send(f"{topic}-dead", record.value, **letter).get(timeout=10)


def receive(bootstrap, topic, count):
    """Yield `count` records of a topic, and commit after each."""
    with KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=f"{topic}-workers",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        consumer_timeout_ms=20000,
    ) as consumer:
        for record in islice(consumer, count):
            yield record
            consumer.commit()


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    with KafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        for order in ORDERS:
            producer.send(topic, order, key=b"ann").get(timeout=10)
        for record in receive(bootstrap, topic, len(ORDERS)):
            if failure := try_to(handle, record.value):
                bury(producer, topic, record, *failure)
    for letter in receive(bootstrap, f"{topic}-dead", 2):
        print(f"{letter.key} {letter.value}")
        for name, value in letter.headers:
            if name != "dead.timestamp":
                print(f"  {name}: {value.decode().replace(topic, 'orders')}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Old events stay in the log as they were written, and a reader turns each into the
newest form that it knows.

Watch `main`, which knows version 3 alone, and the event that comes from the future.
"""

import json
import sys
from itertools import islice
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer

EVENTS = [
    b'{"version": 1, "order": 1, "customer": "Ann Lee", "price": 30}',
    b'{"version": 2, "order": 2, "first": "Ben", "last": "Orr", "price": 12}',
    b'{"version": 3, "order": 3, "first": "Cem", "last": "Ak", "cents": 50, "gift": 1}',
    b'{"version": 4, "order": 4, "buyer": "b-4", "cents": 900}',
]


def split_name(event):
    """Turn version 1 into version 2, whose customer has a first and a last name."""
    rest = {key: value for key, value in event.items() if key != "customer"}
    first, _, last = event["customer"].partition(" ")
    return {**rest, "version": 2, "first": first, "last": last}


def count_cents(event):
    """Turn version 2 into version 3, whose price is in cents."""
    rest = {key: value for key, value in event.items() if key != "price"}
    return {**rest, "version": 3, "cents": event["price"] * 100}


UPCASTERS = {1: split_name, 2: count_cents}
NEWEST = 3


def read(value):
    """Return the event in its newest form; raise ValueError if it is newer still."""
    event = json.loads(value)
    while event["version"] in UPCASTERS:
        event = UPCASTERS[event["version"]](event)
    if event["version"] != NEWEST:
        raise ValueError(f"version {event['version']} is unknown: update this consumer")
    return event


def send(bootstrap, topic, values):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for value in values:
            producer.send(topic, value).get(timeout=10)


def receive(bootstrap, topic, count):
    settings = {"auto_offset_reset": "earliest", "consumer_timeout_ms": 10000}
    with KafkaConsumer(topic, bootstrap_servers=bootstrap, **settings) as consumer:
        return [record.value for record in islice(consumer, count)]


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    send(bootstrap, topic, EVENTS)
    for value in receive(bootstrap, topic, 4):
        try:
            event = read(value)  # It may hold more than is used here, as a gift.
            print(event["order"], event["first"], event["last"], event["cents"])
        except ValueError as error:
            print(f"refused: {error}")
    same = receive(bootstrap, topic, 4) == EVENTS
    print(f"the log holds the bytes that were written: {same}")


if __name__ == "__main__":
    main(*sys.argv[1:])

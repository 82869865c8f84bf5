"""A large body goes to a store, and the message says only where it is and its checksum.

Watch the sizes, and order 8: its label was removed from the store before it was read.
"""

import json
import sys
from hashlib import sha256
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer


def check_in(store, body):
    """Put the body into the store; return the claim check for it."""
    claim = {"object": uuid4().hex, "sha256": sha256(body).hexdigest()}
    Path(store, claim["object"]).write_bytes(body)
    return claim


def fetch(store, claim):
    """Return the body that the claim check is for, or None if it is not there."""
    path = Path(store, claim["object"])
    if not path.exists():
        return None
    body = path.read_bytes()
    if sha256(body).hexdigest() != claim["sha256"]:
        raise ValueError(f"Object {claim['object']} is not what was checked in.")
    return body


def send_order(producer, topic, number, claim):
    """Send the order with its claim check; return how many bytes the message has."""
    message = json.dumps({"order": number, **claim}).encode()
    producer.send(topic, message).get(timeout=10)
    return len(message)


def print_labels(bootstrap, topic, store, count):
    with KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=10000,
    ) as consumer:
        for record in islice(consumer, count):
            order = json.loads(record.value)
            if label := fetch(store, order):
                size = len(label)
                print(f"order {order['order']}: label of {size} bytes, as checked in")
            else:
                print(f"order {order['order']}: its label is no longer in the store")


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    # A folder stands in for the object store, which both services must reach.
    with (
        TemporaryDirectory() as store,
        KafkaProducer(bootstrap_servers=bootstrap) as producer,
    ):
        claims = {number: check_in(store, bytes(5_000_000)) for number in (7, 8)}
        for number, claim in claims.items():
            size = send_order(producer, topic, number, claim)
            print(f"order {number}: message of {size} bytes")
        Path(store, claims[8]["object"]).unlink()
        print_labels(bootstrap, topic, store, 2)


if __name__ == "__main__":
    main(*sys.argv[1:])

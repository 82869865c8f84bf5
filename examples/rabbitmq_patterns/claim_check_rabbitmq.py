"""A large body goes to a store, and the message says only where it is and its checksum.

Watch the sizes, and order 8: its label was removed from the store before it was read.
"""

import json
import sys
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pika


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


def send_order(channel, queue, number, claim):
    """Send the order with its claim check; return how many bytes the message has."""
    message = json.dumps({"order": number, **claim}).encode()
    channel.basic_publish("", queue, message)
    return len(message)


def print_labels(channel, queue, store, count):
    for _ in range(count):
        method, _, message = next(channel.consume(queue, inactivity_timeout=10))
        order = json.loads(message)
        if label := fetch(store, order):
            print(f"order {order['order']}: label of {len(label)} bytes, as checked in")
        else:
            print(f"order {order['order']}: its label is no longer in the store")
        channel.basic_ack(method.delivery_tag)


def main(url="amqp://guest:guest@localhost:5672/", queue=f"orders-{uuid4().hex[:8]}"):
    # A folder stands in for the object store, which both services must reach.
    with (
        TemporaryDirectory() as store,
        pika.BlockingConnection(pika.URLParameters(url)) as connection,
    ):
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        claims = {number: check_in(store, bytes(5_000_000)) for number in (7, 8)}
        for number, claim in claims.items():
            size = send_order(channel, queue, number, claim)
            print(f"order {number}: message of {size} bytes")
        Path(store, claims[8]["object"]).unlink()
        print_labels(channel, queue, store, 2)


if __name__ == "__main__":
    main(*sys.argv[1:])

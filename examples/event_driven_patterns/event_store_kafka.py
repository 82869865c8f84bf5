"""An event store refuses to write a version of a stream twice.

Watch Ben, who decides on version 3 and is refused; then watch what a reader of the
broker makes of the events.
"""

import json
import sqlite3
import sys
from functools import reduce
from itertools import islice
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer

TABLE = """CREATE TABLE IF NOT EXISTS events (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    stream TEXT, version INTEGER, type TEXT, price INTEGER, UNIQUE (stream, version))"""
STREAM = "SELECT type, price FROM events WHERE stream = ? AND version <= ?"


class Conflict(Exception):
    """Somebody has written to the stream since it was read."""


def append(store, stream, version, *events):
    """Append all the (type, price) events after the version that was read, or none."""
    rows = [(stream, version + n, *event) for n, event in enumerate(events, 1)]
    try:
        with store:  # One transaction.
            store.executemany("INSERT INTO events VALUES (NULL, ?, ?, ?, ?)", rows)
    except sqlite3.IntegrityError:  # Somebody was faster.
        raise Conflict(f"{stream} has a version {version + 1} already") from None


def apply(state, event):
    """Return what a state becomes by an event; the state that came in stays."""
    kind, price = event
    return {"status": kind, "total": state.get("total", 0) + price}


def load(store, stream, until=sys.maxsize):
    """Return a stream's version and state, now or as they were at version `until`."""
    events = store.execute(f"{STREAM} ORDER BY version", (stream, until)).fetchall()
    return len(events), reduce(apply, events, {})


def publish(store, bootstrap, topic):
    """Send every event in the order of its position."""
    events = store.execute("SELECT type, price FROM events ORDER BY position")
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for event in events:
            producer.send(topic, json.dumps(event).encode()).get(timeout=10)


def project(bootstrap, topic, count):
    """Return the state after `count` events of the topic."""
    settings = {"auto_offset_reset": "earliest", "consumer_timeout_ms": 10000}
    with KafkaConsumer(topic, bootstrap_servers=bootstrap, **settings) as consumer:
        return reduce(apply, (json.loads(e.value) for e in islice(consumer, count)), {})


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    store, order = sqlite3.connect(":memory:"), "order 7"
    store.execute(TABLE)
    append(store, order, 0, ("placed", 0), ("lamp added", 30), ("book added", 12))
    ann, ben = load(store, order), load(store, order)
    print(f"Ann and Ben read version {ann[0]}: {ann[1]}")
    append(store, order, ann[0], ("shipped", 0))
    try:
        append(store, order, ben[0], ("cancelled", 0))
    except Conflict as conflict:
        print(f"Ben cancels it: {conflict}")
    print(f"Ben reads version {load(store, order)[0]}: {load(store, order)[1]}")
    print(f"as of version 2: {load(store, order, until=2)[1]}")
    publish(store, bootstrap, topic)
    print(f"projected: {project(bootstrap, topic, 4)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

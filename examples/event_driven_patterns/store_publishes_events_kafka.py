"""The store's publisher is killed after it has sent an event and before it has marked
it: the event comes twice and none is lost.

Watch position 3, and the projection that counts each position once.
"""

import json
import os
import signal
import sqlite3
import sys
import tempfile
from contextlib import closing
from itertools import islice
from multiprocessing import get_context
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer

TABLES = """CREATE TABLE events (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    stream TEXT, version INTEGER, price INTEGER, UNIQUE (stream, version));
CREATE TABLE published (position INTEGER);
INSERT INTO published VALUES (0);
INSERT INTO events (stream, version, price) VALUES
    ('order 7', 1, 30), ('order 8', 1, 5), ('order 7', 2, 12),
    ('order 8', 2, 9), ('order 7', 3, 2)"""
NEXT = """SELECT position, stream, price FROM events
    WHERE position > (SELECT position FROM published) ORDER BY position"""
TOTALS = "SELECT stream, sum(price) FROM events GROUP BY stream"


def publish(bootstrap, topic, path, dies_at=None):
    """Send what comes after the marked position, and mark each when it is sent."""
    with (
        closing(sqlite3.connect(path)) as store,
        KafkaProducer(bootstrap_servers=bootstrap) as producer,
    ):
        for event in store.execute(NEXT).fetchall():
            producer.send(topic, json.dumps(event).encode()).get(timeout=10)
            if event[0] == dies_at:
                os.kill(os.getpid(), signal.SIGKILL)
            with store:
                store.execute("UPDATE published SET position = ?", event[:1])


def receive(bootstrap, topic, count):
    settings = {"auto_offset_reset": "earliest", "consumer_timeout_ms": 10000}
    with KafkaConsumer(topic, bootstrap_servers=bootstrap, **settings) as consumer:
        return [json.loads(each.value) for each in islice(consumer, count)]


def project(events):
    """Return {stream: total}; an event whose position is not new changes nothing."""
    totals, last = {}, 0
    for position, stream, price in events:
        if position > last:
            totals[stream] = totals.get(stream, 0) + price
            last = position
    return totals


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    with tempfile.TemporaryDirectory() as folder:
        with closing(sqlite3.connect(path := f"{folder}/store.db")) as store:
            store.executescript(TABLES)
            print(f"the store: {dict(store.execute(TOTALS))}")
        for dies_at in (3, None):
            args = (bootstrap, topic, path, dies_at)
            publisher = get_context("spawn").Process(target=publish, args=args)
            publisher.start()
            publisher.join(60)
            print(f"the publisher ends with exit code {publisher.exitcode}")
    events = receive(bootstrap, topic, 6)
    print(f"positions that came: {[position for position, _, _ in events]}")
    print(f"the projection: {project(events)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

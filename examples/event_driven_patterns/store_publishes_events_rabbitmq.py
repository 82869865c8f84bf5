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

import pika

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


def publish(url, queue, path, dies_at=None):
    """Send what comes after the marked position, and mark each when it is sent."""
    with (
        closing(sqlite3.connect(path)) as store,
        pika.BlockingConnection(pika.URLParameters(url)) as connection,
    ):
        channel = connection.channel()
        channel.confirm_delivery()
        for event in store.execute(NEXT).fetchall():
            channel.basic_publish("", queue, json.dumps(event).encode())
            if event[0] == dies_at:
                os.kill(os.getpid(), signal.SIGKILL)
            with store:
                store.execute("UPDATE published SET position = ?", event[:1])


def project(events):
    """Return {stream: total}; an event whose position is not new changes nothing."""
    totals, last = {}, 0
    for position, stream, price in events:
        if position > last:
            totals[stream] = totals.get(stream, 0) + price
            last = position
    return totals


def main(url="amqp://guest:guest@localhost:5672/", queue=f"orders-{uuid4().hex[:8]}"):
    with (
        tempfile.TemporaryDirectory() as folder,
        pika.BlockingConnection(pika.URLParameters(url)) as connection,
    ):
        channel = connection.channel()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        with closing(sqlite3.connect(path := f"{folder}/store.db")) as store:
            store.executescript(TABLES)
            print(f"the store: {dict(store.execute(TOTALS))}")
        for dies_at in (3, None):
            args = (url, queue, path, dies_at)
            publisher = get_context("spawn").Process(target=publish, args=args)
            publisher.start()
            publisher.join(60)
            print(f"the publisher ends with exit code {publisher.exitcode}")
        deliveries = islice(channel.consume(queue, inactivity_timeout=10), 6)
        events = [json.loads(body) for _, _, body in deliveries]
    print(f"positions that came: {[position for position, _, _ in events]}")
    print(f"the projection: {project(events)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

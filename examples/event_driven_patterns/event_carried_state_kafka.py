"""An event with the whole state of its order saves every call back, and costs bytes.

Watch shipping's copy of order 1: it is as old as the last event that shipping has read.
Order 2 changes just before the source goes down.
"""

import json
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import islice
from threading import Thread
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

DETAILS = {"customer": "Ann", "address": "1 Mill Lane, Leeds", "items": {"lamp": 2}}


class Source(BaseHTTPRequestHandler):
    """The service that owns the orders; GET /7 answers with order 7 as it is now."""

    def do_GET(self):
        state = find(self.server.orders, int(self.path[1:]))
        self.server.answers.append(len(state))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(state.encode())

    def log_message(self, *_):
        """Write no line for each call."""


@contextmanager
def serve(orders):
    """Let the source answer calls until the block ends."""
    with HTTPServer(("127.0.0.1", 0), Source) as source:
        source.orders, source.answers = orders, []
        Thread(target=source.serve_forever, args=[0.01], daemon=True).start()
        yield source
        source.shutdown()


def open_orders():
    database = sqlite3.connect(":memory:", check_same_thread=False)
    database.execute("CREATE TABLE orders (number INTEGER PRIMARY KEY, state TEXT)")
    return closing(database)


def find(orders, number):
    rows = orders.execute("SELECT state FROM orders WHERE number = ?", [number])
    return rows.fetchone()[0]


def save(orders, state):
    with orders:
        row = [json.loads(state)["order"], state]
        orders.execute("REPLACE INTO orders VALUES (?, ?)", row)


def change(orders, producer, topic, number, status):
    """Save an order's new state and publish all of it; return the event's size."""
    state = json.dumps({"order": number, "status": status, **DETAILS})
    save(orders, state)
    producer.send(topic, state.encode()).get(timeout=10)
    return len(state)


def work(bootstrap, topic, name, copy, count):
    """Save each of `count` events in the copy; return the status that each has."""
    seen = []
    with KafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=f"{topic}-{name}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        consumer_timeout_ms=10000,
    ) as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        for record in islice(consumer, count):
            save(copy, record.value.decode())
            seen.append(json.loads(record.value)["status"])
            consumer.commit()
    return seen


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    with (
        open_orders() as orders,
        open_orders() as shipping,
        open_orders() as billing,
        KafkaProducer(bootstrap_servers=bootstrap) as producer,
    ):
        set_order = partial(change, orders, producer, topic)
        consume = partial(work, bootstrap, topic)
        with serve(orders) as source, ThreadPoolExecutor() as pool:
            size = sum(set_order(number, "placed") for number in range(1, 201))
            copies = {"shipping": shipping, "billing": billing}
            list(pool.map(consume, copies, copies.values(), [200, 200]))
            print(f"200 orders, 2 consumers, calls back: {len(source.answers)}")
            print(f"bytes: {size} in events, {sum(source.answers)} in answers")
            set_order(1, "paid")
            set_order(1, "cancelled")
            old = json.loads(find(shipping, 1))["status"]
            print(f"order 1 is paid, then cancelled; shipping's copy is still {old}")
            seen = consume("shipping", shipping, 2)
            print(f"shipping reads: {seen}")
            set_order(2, "paid")
        seen = consume("shipping", shipping, 1)
        print(f"order 2 is paid, the source is down; shipping reads: {seen}")


if __name__ == "__main__":
    main(*sys.argv[1:])

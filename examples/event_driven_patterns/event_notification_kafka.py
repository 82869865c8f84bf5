"""An event with only the order's number makes each consumer call the source back.

Watch the calls, and order 1: both of its events lead to its last state. Order 2 changes
just before the source goes down.
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
from urllib.error import URLError
from urllib.request import urlopen
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

CONSUMERS = ["shipping", "billing"]
DETAILS = {"customer": "Ann", "address": "1 Mill Lane, Leeds", "items": {"lamp": 2}}


class Source(BaseHTTPRequestHandler):
    """The service that owns the orders; GET /7 answers with order 7 as it is now."""

    def do_GET(self):
        find = "SELECT state FROM orders WHERE number = ?"
        (state,) = self.server.orders.execute(find, [self.path[1:]]).fetchone()
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


def change(orders, producer, topic, number, status):
    """Save an order's new state and publish its number; return the event's size."""
    state = json.dumps({"order": number, "status": status, **DETAILS})
    with orders:
        orders.execute("REPLACE INTO orders VALUES (?, ?)", [number, state])
    event = json.dumps({"order": number}).encode()
    producer.send(topic, event).get(timeout=10)
    return len(event)


def work(bootstrap, topic, port, count, name):
    """Call back for each of `count` events; return the status that each call read."""
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
            number = json.loads(record.value)["order"]
            with urlopen(f"http://127.0.0.1:{port}/{number}", timeout=10) as answer:
                seen.append(json.load(answer)["status"])
            consumer.commit()
    return seen


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    with (
        closing(sqlite3.connect(":memory:", check_same_thread=False)) as orders,
        KafkaProducer(bootstrap_servers=bootstrap) as producer,
    ):
        orders.execute("CREATE TABLE orders (number INTEGER PRIMARY KEY, state TEXT)")
        set_order = partial(change, orders, producer, topic)
        consume = partial(work, bootstrap, topic)
        with serve(orders) as source, ThreadPoolExecutor() as pool:
            size = sum(set_order(number, "placed") for number in range(1, 201))
            list(pool.map(partial(consume, source.server_port, 200), CONSUMERS))
            print(f"200 orders, 2 consumers, calls back: {len(source.answers)}")
            print(f"bytes: {size} in events, {sum(source.answers)} in answers")
            set_order(1, "paid")
            set_order(1, "cancelled")
            seen = consume(source.server_port, 2, "shipping")
            print(f"order 1 is paid, then cancelled; shipping reads: {seen}")
            set_order(2, "paid")
        try:
            consume(source.server_port, 1, "shipping")
        except URLError:
            print("order 2 is paid, the source is down; shipping can't go on")
        with serve(orders) as source:
            seen = consume(source.server_port, 1, "shipping")
            print(f"the source is back; shipping reads: {seen}")


if __name__ == "__main__":
    main(*sys.argv[1:])

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

import pika

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


def subscribe(channel, exchange, names):
    """Give each consumer a queue that gets a copy of every event."""
    channel.exchange_declare(exchange, "fanout", durable=True)
    for queue in (f"{exchange}-{name}" for name in names):
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        channel.queue_bind(queue, exchange)


def change(orders, channel, exchange, number, status):
    """Save an order's new state and publish all of it; return the event's size."""
    state = json.dumps({"order": number, "status": status, **DETAILS})
    save(orders, state)
    channel.basic_publish(exchange, "", state.encode())
    return len(state)


def work(url, exchange, name, copy, count):
    """Save each of `count` events in the copy; return the status that each has."""
    seen = []
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        events = channel.consume(f"{exchange}-{name}", inactivity_timeout=10)
        for method, _, body in islice(events, count):
            save(copy, body.decode())
            seen.append(json.loads(body)["status"])
            channel.basic_ack(method.delivery_tag)
    return seen


def main(url="amqp://localhost", exchange=f"orders-{uuid4().hex[:8]}"):
    with (
        open_orders() as orders,
        open_orders() as shipping,
        open_orders() as billing,
        pika.BlockingConnection(pika.URLParameters(url)) as connection,
    ):
        copies = {"shipping": shipping, "billing": billing}
        channel = connection.channel()
        channel.confirm_delivery()
        subscribe(channel, exchange, copies)
        set_order = partial(change, orders, channel, exchange)
        consume = partial(work, url, exchange)
        with serve(orders) as source, ThreadPoolExecutor() as pool:
            size = sum(set_order(number, "placed") for number in range(1, 201))
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

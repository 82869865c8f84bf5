"""A message that says what is so may come twice; if it may come late, add a version.

Watch version 12: it is handled, not acknowledged, and comes again after version 13.
"""

import json
import signal
import sqlite3
import sys
from multiprocessing import get_context
from tempfile import TemporaryDirectory
from uuid import uuid4

import pika

SET = """INSERT INTO stock VALUES (:product, :amount, :version)
    ON CONFLICT (product) DO UPDATE
    SET amount = excluded.amount, version = excluded.version"""
SET_IF_NEWER = f"{SET} WHERE excluded.version > stock.version"
CASES = (
    ("version 12 twice, set", SET, {12: 7}),
    ("version 12, 13, 12, set", SET, {12: 7, 13: 5}),
    ("version 12, 13, 12, set if newer", SET_IF_NEWER, {12: 7, 13: 5}),
)


def send(url, queue, amounts):
    """Send how much is in stock, version by version."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True)
        for version, amount in amounts.items():
            message = {"product": "lamp", "amount": amount, "version": version}
            channel.basic_publish("", queue, json.dumps(message).encode())


def receive(url, queue, shop, statement, handled=None):
    """Handle one message and acknowledge it, or tell `handled` and await the kill."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)
        method, _, body = next(channel.consume(queue, inactivity_timeout=20))
        with sqlite3.connect(shop) as db:
            db.execute(statement, json.loads(body))
        if handled:
            handled.set()
            signal.pause()
        channel.basic_ack(method.delivery_tag)


def deliver_again(url, queue, shop, statement, amounts):
    """Kill the first message's receiver, but let the rest pass before that."""
    send(url, queue, amounts)
    with sqlite3.connect(shop) as db:
        db.execute("CREATE TABLE stock (product UNIQUE, amount, version)")
    spawn = get_context("spawn")
    handled = spawn.Event()
    args = (url, queue, shop, statement, handled)
    process = spawn.Process(target=receive, args=args, daemon=True)
    process.start()
    handled.wait(60)
    for _ in range(1, len(amounts)):
        receive(url, queue, shop, statement)
    process.kill()
    process.join(60)
    receive(url, queue, shop, statement)
    return db.execute("SELECT amount, version FROM stock").fetchone()


def main(url="amqp://guest:guest@localhost:5672/", queue=f"stock-{uuid4().hex[:8]}"):
    with TemporaryDirectory() as folder:
        for number, (what, statement, amounts) in enumerate(CASES):
            run = f"{queue}-{number}", f"{folder}/{number}"
            amount, version = deliver_again(url, *run, statement, amounts)
            print(f"{what}: stock {amount} (version {version})")


if __name__ == "__main__":
    main(*sys.argv[1:])

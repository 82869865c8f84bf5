"""A message that says "one less" must not come twice, and after a kill it does.

Watch the stock: one lamp was sold, and the stock falls from 8 to 6.
"""

import json
import signal
import sqlite3
import sys
from multiprocessing import get_context
from tempfile import TemporaryDirectory
from uuid import uuid4

import pika

DECREMENT = "UPDATE stock SET amount = amount - :sold WHERE product = :product"


def send(url, queue, message):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True)
        channel.basic_publish("", queue, json.dumps(message).encode())


def receive(url, queue, shop, dies):
    """Take one message off the stock and acknowledge it, or be killed before that."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)
        method, _, body = next(channel.consume(queue, inactivity_timeout=20))
        message = json.loads(body)
        with sqlite3.connect(shop) as db:
            db.execute(DECREMENT, message)
        if dies:
            signal.raise_signal(signal.SIGKILL)
        channel.basic_ack(method.delivery_tag)


def stock(shop):
    with sqlite3.connect(shop) as db:
        return db.execute("SELECT amount FROM stock").fetchone()[0]


def main(url="amqp://guest:guest@localhost:5672/", queue=f"stock-{uuid4().hex[:8]}"):
    with TemporaryDirectory() as folder:
        shop = f"{folder}/shop"
        with sqlite3.connect(shop) as db:
            db.execute("CREATE TABLE stock (product, amount)")
            db.execute("INSERT INTO stock VALUES ('lamp', 8)")
        print(f"stock: {stock(shop)}")
        send(url, queue, {"product": "lamp", "sold": 1})
        args = (url, queue, shop, True)
        process = get_context("spawn").Process(target=receive, args=args)
        process.start()
        process.join(60)
        print(f"one lamp is sold, then its receiver is killed: {stock(shop)}")
        receive(url, queue, shop, dies=False)
        print(f"the same message comes again: {stock(shop)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

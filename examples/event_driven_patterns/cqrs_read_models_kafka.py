"""Commands are checked on the write side, and their events update two read models.

Watch the positions: a command returns that of its event, and a query that must see the
event waits until the read model has come so far.
"""

import json
import sqlite3
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

WRITE_SIDE = "CREATE TABLE orders (number PRIMARY KEY, position INTEGER, state TEXT)"
READ_MODEL = """CREATE TABLE totals (name PRIMARY KEY, amount INTEGER);
    CREATE TABLE progress (position INTEGER); INSERT INTO progress VALUES (0)"""
READ_MODELS = {  # What an order adds to, and how much.
    "orders": lambda order: (order["customer"], 1),
    "revenue": lambda order: (order["product"], order["price"]),
}


def obey(shop, publish, number, status, **details):
    """Place or cancel an order, or raise ValueError; return the event's position."""
    find = "SELECT state FROM orders WHERE number = ?"
    order = json.loads((shop.execute(find, [number]).fetchone() or ["{}"])[0])
    if order.get("status") != {"placed": None, "cancelled": "placed"}[status]:
        was = order.get("status", "unknown")
        raise ValueError(f"order {number} is {was}, so it can't be {status}")
    (last,) = shop.execute("SELECT coalesce(max(position), 0) FROM orders").fetchone()
    event = json.dumps({**order, **details, "status": status, "position": last + 1})
    with shop:
        shop.execute("REPLACE INTO orders VALUES (?, ?, ?)", [number, last + 1, event])
    publish(event.encode())
    return last + 1


def position(model):
    return model.execute("SELECT position FROM progress").fetchone()[0]


def apply(model, event, name, amount):
    """Change the model and its position in one transaction, once for each event."""
    if event["position"] > position(model) + 1:
        raise ValueError(f"event {position(model) + 1} is missing")
    if event["position"] <= position(model):
        return  # It was delivered before.
    with model:
        add = "UPDATE totals SET amount = amount + ? WHERE name = ?"
        model.execute("INSERT OR IGNORE INTO totals VALUES (?, 0)", [name])
        model.execute(add, [amount if event["status"] == "placed" else -amount, name])
        model.execute("UPDATE progress SET position = ?", [event["position"]])


def project(bootstrap, topic, name, path, last):
    """Update a read model until it has come to position `last`."""
    with (
        closing(sqlite3.connect(path)) as model,
        KafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=f"{topic}-{name}",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            consumer_timeout_ms=10000,
        ) as consumer,
    ):
        consumer.assign([TopicPartition(topic, 0)])
        while position(model) < last:
            event = json.loads(next(consumer).value)
            apply(model, event, *READ_MODELS[name](event))
            consumer.commit()


def query(path, wanted=0, seconds=10):
    """Return what the read model holds, once it has come to the position `wanted`."""
    deadline = time.monotonic() + seconds
    with closing(sqlite3.connect(path)) as model:
        while (at := position(model)) < wanted:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the read model is at {at}, not at {wanted}")
            time.sleep(0.01)
        return dict(model.execute("SELECT * FROM totals ORDER BY name"))


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    with (
        TemporaryDirectory() as folder,
        closing(sqlite3.connect(":memory:")) as shop,
        KafkaProducer(bootstrap_servers=bootstrap) as producer,
        ThreadPoolExecutor() as pool,
    ):
        shop.execute(WRITE_SIDE)
        paths = {name: Path(folder, f"{name}.db") for name in READ_MODELS}
        for path in paths.values():
            with closing(sqlite3.connect(path)) as model:
                model.executescript(READ_MODEL)
        order = partial(obey, shop, lambda event: producer.send(topic, event).get(10))
        order(1, "placed", customer="Ann", product="lamp", price=49)
        order(2, "placed", customer="Ben", product="book", price=15)
        last = order(1, "cancelled")
        print(f"written up to {last}, orders at once: {query(paths['orders'])}")
        try:
            order(1, "cancelled")
        except ValueError as error:
            print(f"refused: {error}")
        try:
            query(paths["orders"], last, seconds=0.1)
        except TimeoutError as error:
            print(f"not in time: {error}")
        run = partial(project, bootstrap, topic)
        pool.submit(run, "orders", paths["orders"], last + 1)
        print(f"orders at {last}: {query(paths['orders'], last)}")
        print(f"revenue meanwhile: {query(paths['revenue'])}")
        pool.submit(run, "revenue", paths["revenue"], last + 1)
        print(f"revenue at {last}: {query(paths['revenue'], last)}")
        last = order(3, "placed", customer="Ann", product="book", price=15)
        for name, path in paths.items():
            print(f"{name} at {last}: {query(path, last)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

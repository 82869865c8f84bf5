"""A read model with a mistake is dropped, after its successor was built from the start.

Watch what the readers get until the switch, and the e-mails: who sends them has a place
of its own, which the rebuilding does not move.
"""

import json
import sqlite3
import sys
from contextlib import closing
from functools import partial
from uuid import uuid4

import pika

TABLES = """CREATE TABLE revenue (product PRIMARY KEY, amount INTEGER);
    CREATE TABLE rebuilt (product PRIMARY KEY, amount INTEGER);
    CREATE TABLE progress (model PRIMARY KEY, next INTEGER);
    INSERT INTO progress VALUES ('revenue', 0), ('rebuilt', 0)"""
SWITCH = """BEGIN; DROP TABLE revenue; DELETE FROM progress WHERE model = 'revenue';
    ALTER TABLE rebuilt RENAME TO revenue;
    UPDATE progress SET model = 'revenue'; COMMIT"""
ADD = """INSERT INTO {} VALUES (?, ?)
    ON CONFLICT (product) DO UPDATE SET amount = amount + excluded.amount"""


def mistaken(event):
    """Count what was placed, and forget that it may be cancelled."""
    return event["price"] if event["status"] == "placed" else 0


def mended(event):
    return event["price"] if event["status"] == "placed" else -event["price"]


def declare(channel, name):
    """Bind a stream, which keeps the events, and a queue, which loses what is acked."""
    channel.exchange_declare(name, "fanout", durable=True)
    for kind in ("stream", "quorum"):
        arguments = {"x-queue-type": kind}
        channel.queue_declare(f"{name}-{kind}", durable=True, arguments=arguments)
        channel.queue_bind(f"{name}-{kind}", name)


def send(channel, name, status, order, product, price):
    event = {"status": status, "order": order, "product": product, "price": price}
    channel.basic_publish(name, "", json.dumps(event).encode())


def position(database, model):
    """Return the offset of the event that the model needs next."""
    find = "SELECT next FROM progress WHERE model = ?"
    return database.execute(find, [model]).fetchone()[0]


def apply(database, model, amount, offset, event):
    """Change the model and its position in one transaction."""
    with database:
        database.execute(ADD.format(model), [event["product"], amount(event)])
        move = "UPDATE progress SET next = ? WHERE model = ?"
        database.execute(move, [offset + 1, model])


def update(connection, name, database, model, amount, end):
    """Bring a model from its own position to the offset `end`."""
    with connection.channel() as channel:
        channel.basic_qos(prefetch_count=10)  # A stream insists on a limit.
        first = position(database, model)
        events = channel.consume(
            f"{name}-stream",
            arguments={"x-stream-offset": first},
            inactivity_timeout=10,
        )
        for at in range(first, end):
            method, properties, body = next(events)
            if properties.headers["x-stream-offset"] != at:
                raise ValueError(f"event {at} is gone")  # The broker skips it.
            apply(database, model, amount, at, json.loads(body))
            channel.basic_ack(method.delivery_tag)


def send_mails(connection, name):
    """Take what is new to the service that sends mails; return how many events."""
    sent = 0
    with connection.channel() as channel:
        while (method := channel.basic_get(f"{name}-quorum")[0]) is not None:
            sent += 1
            channel.basic_ack(method.delivery_tag)
    return sent


def read(database):
    return dict(database.execute("SELECT * FROM revenue ORDER BY product"))


def main(url="amqp://localhost", name=f"orders-{uuid4().hex[:8]}"):
    with (
        closing(sqlite3.connect(":memory:")) as database,
        pika.BlockingConnection(pika.URLParameters(url)) as connection,
    ):
        channel = connection.channel()
        channel.confirm_delivery()
        declare(channel, name)
        database.executescript(TABLES)
        publish = partial(send, channel, name)
        project = partial(update, connection, name, database)
        mail = partial(send_mails, connection, name)
        publish("placed", 1, "lamp", 49)
        publish("placed", 2, "book", 15)
        publish("placed", 3, "lamp", 49)
        publish("cancelled", 3, "lamp", 49)
        project("revenue", mistaken, 4)
        print(f"4 events, e-mails: {mail()}, readers get {read(database)}")
        project("rebuilt", mended, 2)
        publish("placed", 4, "book", 15)
        project("revenue", mistaken, 5)
        print(f"1 more, e-mails: {mail()}, readers get {read(database)}")
        project("rebuilt", mended, 5)
        database.executescript(SWITCH)
        print(f"rebuilt, e-mails: {mail()}, readers get {read(database)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

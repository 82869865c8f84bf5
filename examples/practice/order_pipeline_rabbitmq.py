"""An order pipeline with payment: each order ends shipped or cancelled, charged once.

Watch order 3, whose payment worker dies between charge and commit, and order 4, whose
worker dies after the commit: each of them is asked for twice and charged once.
"""

import json
import os
import signal
import sys
import time
from functools import partial
from itertools import islice
from multiprocessing import get_context
from uuid import uuid4

import pika
import psycopg

OUTBOXES = ("shop", "payment")
# Each schema stands for a database of its own: no transaction here spans two of them.
TABLES = """CREATE SCHEMA shop; CREATE SCHEMA payment; CREATE SCHEMA shipping;
CREATE TABLE shop.orders (number serial, key text UNIQUE, amount int);
CREATE TABLE shop.outbox (place serial, body text, sent bool DEFAULT false);
CREATE TABLE payment.outbox (place serial, body text, sent bool DEFAULT false);
CREATE TABLE payment.inbox (id text PRIMARY KEY);
CREATE TABLE shipping.inbox (id text PRIMARY KEY);
CREATE TABLE shipping.ends (number int, how text); CREATE SCHEMA provider;
CREATE TABLE provider.ledger (key text UNIQUE, number int, charged int, calls int)"""
ENDS = """SELECT number, charged, calls, how FROM shop.orders LEFT JOIN provider.ledger
USING (number) LEFT JOIN shipping.ends USING (number) ORDER BY number"""


def crash(here, dies):
    """Die if this is the point: nothing is closed and nobody is told."""
    if here == dies:
        os.kill(os.getpid(), signal.SIGKILL)


def place_order(postgres, key, amount, card, dies=""):
    """Take an order and its event in one commit; a known key takes no second."""
    insert = """INSERT INTO shop.orders (key, amount) VALUES (%s, %s)
        ON CONFLICT DO NOTHING RETURNING number"""
    with psycopg.connect(postgres) as shop:
        new = shop.execute(insert, [key, amount]).fetchone()
        if new:
            event = {"id": f"order {new[0]} placed", "number": new[0]}
            emit(shop, "shop", event | {"amount": amount, "card": card})
        shop.commit()
        crash("after the commit", dies)
        known = "SELECT number FROM shop.orders WHERE key = %s"
        return shop.execute(known, [key]).fetchone()[0]


def emit(base, service, event):
    """Write an event to the service's outbox, in the transaction that is open."""
    insert = f"INSERT INTO {service}.outbox (body) VALUES (%s)"
    base.execute(insert, [json.dumps(event)])


def relay(url, postgres, queue, service, dies=""):
    """Publish what waits in the service's outbox; mark what the broker acknowledged."""
    waiting = f"SELECT place, body FROM {service}.outbox WHERE NOT sent ORDER BY place"
    mark = f"UPDATE {service}.outbox SET sent = true WHERE place = %s"
    with (
        psycopg.connect(postgres, autocommit=True) as base,
        pika.BlockingConnection(pika.URLParameters(url)) as connection,
    ):
        channel = connection.channel()
        channel.confirm_delivery()
        for place, body in base.execute(waiting).fetchall():
            channel.basic_publish("", f"{queue}-{service}", body, mandatory=True)
            crash("after publishing", dies)
            base.execute(mark, [place])


def events(url, queue):
    """Yield each event that waits, and what says that it is done."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)
        deadline = time.monotonic() + 30
        found = channel.queue_declare(queue, passive=True).method
        while found.consumer_count:  # The broker has not missed a dead worker yet.
            if time.monotonic() > deadline:
                raise TimeoutError("Another worker is there: end it and try again.")
            connection.sleep(0.02)
            found = channel.queue_declare(queue, passive=True).method
        for method, _, body in islice(channel.consume(queue), found.message_count):
            yield json.loads(body), partial(channel.basic_ack, method.delivery_tag)


def is_new(base, service, event):
    """Write an event's id to the service's inbox; tell whether it was not there."""
    insert = f"INSERT INTO {service}.inbox VALUES (%s) ON CONFLICT DO NOTHING"
    return base.execute(insert, [event["id"]]).rowcount == 1


def charge(postgres, key, number, amount, card):
    """Pretend to be the payment provider, who answers a known key as the first time."""
    insert = """INSERT INTO provider.ledger AS l VALUES (%s, %s, %s, 1)
        ON CONFLICT (key) DO UPDATE SET calls = l.calls + 1 RETURNING charged"""
    row = [key, number, 0 if card == "an empty card" else amount]
    with psycopg.connect(postgres) as ledger:
        return "paid" if ledger.execute(insert, row).fetchone()[0] else "refused"


def pay(url, postgres, queue, dies="", without=""):
    """Charge each order that was placed; return what came of each delivery."""
    told = []
    with psycopg.connect(postgres) as base:
        for event, done in events(url, f"{queue}-shop"):
            number, what = event["number"], "known"
            if without == "the inbox" or is_new(base, "payment", event):
                key = None if without == "the key" else f"order {number}"
                what = charge(postgres, key, number, event["amount"], event["card"])
                crash("after the charge", dies)
                answer = {"id": f"order {number} {what}", "number": number}
                emit(base, "payment", answer | {"result": what})
            base.commit()
            crash("after the commit", dies)
            done()
            told.append(f"order {number} {what}")
    return told


def ship(url, postgres, queue, dies=""):
    """Ship what was paid and cancel what was refused; return what came of each."""
    told = []
    with psycopg.connect(postgres) as base:
        for event, done in events(url, f"{queue}-payment"):
            number, what = event["number"], "known"
            if is_new(base, "shipping", event):
                what = "shipped" if event["result"] == "paid" else "cancelled"
                base.execute(
                    "INSERT INTO shipping.ends VALUES (%s, %s)", [number, what]
                )
            base.commit()
            crash("after the commit", dies)
            done()
            told.append(f"order {number} {what}")
    return told


def prepare(url, postgres, queue):
    """Create the tables, and a queue for each outbox."""
    with psycopg.connect(postgres) as base:
        base.execute(TABLES)
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel, quorum = connection.channel(), {"x-queue-type": "quorum"}
        for each in OUTBOXES:
            channel.queue_declare(f"{queue}-{each}", durable=True, arguments=quorum)


def kill(function, *arguments):
    """Run a function in a process that dies on the way; return the exit code."""
    process = get_context("spawn").Process(target=function, args=arguments)
    process.start()
    process.join(60)
    return process.exitcode


def go_on(*where):
    """Let each of them do what waits, as they would all the time."""
    relay(*where, "shop")
    print("payment:", ", ".join(pay(*where)))
    relay(*where, "payment")
    print("shipping:", ", ".join(ship(*where)))


def main(
    url="amqp://guest:guest@localhost:5672/",
    postgres="postgresql://postgres@localhost:5432/postgres",
    queue=f"orders-{uuid4().hex[:8]}",
):
    where = url, postgres, queue
    prepare(*where)
    place_order(postgres, "request 1", 40, "a good card")
    place_order(postgres, "request 2", 75, "an empty card")
    go_on(*where)
    place_order(postgres, "request 3", 20, "a good card")
    print("relay dies:", kill(relay, *where, "shop", "after publishing"))
    print("pay dies:", kill(pay, *where, "after the charge"))
    go_on(*where)
    request = postgres, "request 4", 60, "a good card"
    print("place_order dies:", kill(place_order, *request, "after the commit"))
    print("the request is repeated: it is order", place_order(*request))
    relay(*where, "shop")
    print("pay dies:", kill(pay, *where, "after the commit"))
    go_on(*where)
    with psycopg.connect(postgres) as base:
        for number, charged, calls, how in base.execute(ENDS):
            print(f"order {number}: calls {calls}, charged {charged}, {how}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A saga with an orchestrator, killed at every point where it touches the outside.

One process plays all services, so each kill strikes them all; the next process goes on.
Watch that no order is left half done: it ends as if there had been no kill.
"""

import json
import os
import signal
import sqlite3
import sys
import time
from itertools import count
from multiprocessing import get_context
from tempfile import TemporaryDirectory
from uuid import uuid4

import pika

DOES = {"reserve": "inventory", "charge": "payment", "ship": "shipping"}
DOES |= {"take": "inventory", "refund": "payment", "release": "inventory"}
ROLES = ("orchestrator", *dict.fromkeys(DOES.values()))
UNDOES = {"refund": "charge", "release": "reserve"}
REFUSED = {"charge": "an empty card", "ship": "an address on the Moon"}
NEXT = {  # The orchestrator's next step, by its last one and by what came of that.
    (None, "placed"): "reserve",
    ("reserve", "reserve done"): "charge",
    ("charge", "charge done"): "ship",  # The pivot: a parcel cannot be called back.
    ("ship", "ship done"): "take",  # No rule can refuse it: it is tried until it works.
    ("charge", "charge refused"): "release",
    ("reserve", "expired"): "release",  # Nobody knows whether it was reserved,
    ("charge", "expired"): "refund",  # or charged.
    ("ship", "ship refused"): "refund",
    ("refund", "refund done"): "release",
    ("refund", "refund needless"): "release",
}
touches = count()  # Replaced for each order by one that ends at the chosen point.


def touch():
    """Count a touch of the outside; be killed just before the chosen one."""
    if next(touches, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)


def decide(order, seen, event):
    """Return the orchestrator's next step; an event that is too late has none."""
    last = [None, *filter(None, seen.values())][-1]
    return NEXT.get((last, event))


def act(order, seen, step):
    """Return what comes of a step in the service that does it."""
    if REFUSED.get(step) == order["with"]:
        return f"{step} refused"
    undone = UNDOES.get(step)
    if undone and seen.get(undone) != f"{undone} done":
        return f"{step} needless"
    return f"{step} done"


def handle(role, base, order, what):
    """Do a message's work once; return the answer as often as the message comes."""
    number = order["number"]
    rows = "SELECT what, answer FROM log WHERE number = ? ORDER BY rowid"
    with base:
        seen = dict(base.execute(rows, [number]))
        if what not in seen:
            work = decide if role == "orchestrator" else act
            seen[what] = work(order, seen, what)
            row = [number, what, seen[what]]
            base.execute("INSERT INTO log VALUES (?, ?, ?)", row)
            touch()  # Leaving the block commits the work and the answer together.
    return seen[what]


def connect(url, name):
    """Return a channel, the deliveries that come on it, and how many messages wait."""
    channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
    channel.confirm_delivery()
    arrived, waiting, deadline = [], 0, time.monotonic() + 30
    for role in ROLES:
        queue = channel.queue_declare(f"{name}-{role}", durable=True).method
        while queue.consumer_count:  # The broker has not missed the killed one yet.
            if time.monotonic() > deadline:
                raise TimeoutError("Another worker is there: end it and try again.")
            channel.connection.sleep(0.01)
            queue = channel.queue_declare(queue.queue, passive=True).method
        waiting += queue.message_count
        channel.basic_consume(
            queue.queue, lambda *delivery, role=role: arrived.append((role, *delivery))
        )
    return channel, arrived, waiting


def send(channel, name, order, what):
    queue = f"{name}-{DOES.get(what, 'orchestrator')}"
    body = json.dumps({"order": order, "what": what})
    channel.basic_publish("", queue, body, pika.BasicProperties(delivery_mode=2))


def serve(url, name, folder, order=None, point=None):
    """Do what a killed process left; then place an order, and die at a point of it."""
    global touches
    bases = {role: sqlite3.connect(f"{folder}/{role}.db") for role in ROLES}
    for base in bases.values():
        base.execute("CREATE TABLE IF NOT EXISTS log (number, what, answer)")
    channel, arrived, waiting = connect(url, name)
    while waiting or order:
        if not waiting:
            send(channel, name, order, "placed")
            order, touches, waiting = None, iter(range(point)), 1
        deadline = time.monotonic() + 30
        while not arrived:
            if time.monotonic() > deadline:
                raise TimeoutError("No message came within 30 seconds.")
            channel.connection.process_data_events(time_limit=1)
        role, _, method, _, body = arrived.pop(0)
        message = json.loads(body)
        if answer := handle(role, bases[role], **message):
            touch()
            send(channel, name, message["order"], answer)
            waiting += 1
        touch()
        channel.basic_ack(method.delivery_tag)
        waiting -= 1


def strike(url, name, folder, flaw, numbers):
    """Kill at the first point, at the second … until no point is left; yield orders."""
    context = get_context("forkserver")  # It starts processes fast.
    context.set_forkserver_preload(["pika"])
    for point, number in enumerate(numbers):
        order = {"number": number, "with": flaw}
        arguments = (url, name, folder, order, point)
        process = context.Process(target=serve, args=arguments)
        process.start()
        process.join(60)
        yield number
        if process.exitcode == 0:
            return
        if process.exitcode != -signal.SIGKILL:
            raise RuntimeError(f"A process ended with {process.exitcode}.")


def fate(folder, number):
    """Return the steps of an order that were done, each as often as it was done."""
    rows, done = "SELECT answer FROM log WHERE number = ?", []
    for role in ROLES[1:]:
        base = sqlite3.connect(f"{folder}/{role}.db")
        done += [answer for (answer,) in base.execute(rows, [number])]
    return ", ".join(s for s in DOES for _ in range(done.count(f"{s} done")))


def main(url="amqp://guest:guest@localhost:5672/", name=f"orders-{uuid4().hex[:8]}"):
    numbers = count(1)
    with TemporaryDirectory() as folder:
        for flaw in ("nothing wrong", *REFUSED.values()):
            *killed, last = strike(url, name, folder, flaw, numbers)
            whole = fate(folder, last)
            same = sum(fate(folder, number) == whole for number in killed)
            print(f"an order with {flaw}: {whole}")
            print(f"killed at each of {len(killed)} points: {same} times the same")


if __name__ == "__main__":
    main(*sys.argv[1:])

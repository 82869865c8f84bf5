"""A saga of services that react to events, killed wherever it touches the outside.

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

REACTIONS = {  # What each service does when it hears of an event; nobody leads.
    "inventory": {
        "placed": "reserve",
        "ship done": "take",  # The shipment is the pivot: no rule can refuse this.
        "charge refused": "release",
        "refund done": "release",
    },
    "payment": {"reserve done": "charge", "ship refused": "refund"},
    "shipping": {"charge done": "ship"},
}
STEPS = ("reserve", "charge", "ship", "take", "refund", "release")
REFUSED = {"charge": "an empty card", "ship": "an address on the Moon"}
touches = count()  # Replaced for each order by one that ends at the chosen point.


def touch():
    """Count a touch of the outside; be killed just before the chosen one."""
    if next(touches, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)


def act(role, order, event):
    """Return what comes of the step with which a service reacts to an event."""
    step = REACTIONS[role][event]
    if REFUSED.get(step) == order["with"]:
        return f"{step} refused"
    return f"{step} done"


def handle(role, base, order, event):
    """Do an event's work once; return what follows as often as the event comes."""
    number, rows = order["number"], "SELECT event, result FROM log WHERE number = ?"
    with base:
        seen = dict(base.execute(rows, [number]))
        if event not in seen:
            seen[event] = act(role, order, event)
            row = [number, event, seen[event]]
            base.execute("INSERT INTO log VALUES (?, ?, ?)", row)
            touch()  # Leaving the block commits the work and its event together.
    return seen[event]


def connect(url, name):
    """Return a channel, the deliveries that come on it, and how many messages wait."""
    channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
    channel.confirm_delivery()
    channel.exchange_declare(name, durable=True)
    arrived, waiting, deadline = [], 0, time.monotonic() + 30
    for role, events in REACTIONS.items():
        queue = channel.queue_declare(f"{name}-{role}", durable=True).method
        for event in events:
            channel.queue_bind(queue.queue, name, event)
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


def send(channel, name, order, event):
    """Publish an event; return how many services hear of it."""
    body = json.dumps({"order": order, "event": event})
    channel.basic_publish(name, event, body, pika.BasicProperties(delivery_mode=2))
    return sum(event in events for events in REACTIONS.values())


def serve(url, name, folder, order=None, point=None):
    """Do what a killed process left; then place an order, and die at a point of it."""
    global touches
    bases = {role: sqlite3.connect(f"{folder}/{role}.db") for role in REACTIONS}
    for base in bases.values():
        base.execute("CREATE TABLE IF NOT EXISTS log (number, event, result)")
    channel, arrived, waiting = connect(url, name)
    while waiting or order:
        if not waiting:
            waiting = send(channel, name, order, "placed")
            order, touches = None, iter(range(point))
        deadline = time.monotonic() + 30
        while not arrived:
            if time.monotonic() > deadline:
                raise TimeoutError("No message came within 30 seconds.")
            channel.connection.process_data_events(time_limit=1)
        role, _, method, _, body = arrived.pop(0)
        message = json.loads(body)
        result = handle(role, bases[role], **message)
        touch()
        waiting += send(channel, name, message["order"], result)
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
    rows, done = "SELECT result FROM log WHERE number = ?", []
    for role in REACTIONS:
        base = sqlite3.connect(f"{folder}/{role}.db")
        done += [result for (result,) in base.execute(rows, [number])]
    return ", ".join(s for s in STEPS for _ in range(done.count(f"{s} done")))


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

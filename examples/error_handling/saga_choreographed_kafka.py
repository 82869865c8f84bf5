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

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

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


def committed(consumer, partitions):
    """Return where the group stands; a coordinator that has just begun says nothing."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return consumer.committed(partitions, 30)
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def connect(bootstrap, topic):
    """Return a producer, and each service's consumer and how many events it has."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0})
    consumers, waiting = {}, {}
    for role in REACTIONS:
        settings = {"bootstrap.servers": bootstrap, "group.id": f"{topic}-{role}"}
        consumer = Consumer({**settings, "enable.auto.commit": False})
        (place,) = committed(consumer, [TopicPartition(topic, 0)])
        place.offset = max(place.offset, 0)  # It is negative before the first commit.
        waiting[role] = consumer.get_watermark_offsets(place, 30)[1] - place.offset
        consumer.assign([place])
        consumers[role] = consumer
    return producer, consumers, waiting


def send(producer, topic, order, event, waiting):
    """Publish an event; every service reads it, and passes over what is not for it."""
    body = json.dumps({"order": order, "event": event})
    producer.produce(topic, body, partition=0)
    if producer.flush(30):
        raise TimeoutError("Kafka did not confirm an event within 30 seconds.")
    for role in waiting:
        waiting[role] += 1


def serve(bootstrap, topic, folder, order=None, point=None):
    """Do what a killed process left; then place an order, and die at a point of it."""
    global touches
    bases = {role: sqlite3.connect(f"{folder}/{role}.db") for role in REACTIONS}
    for base in bases.values():
        base.execute("CREATE TABLE IF NOT EXISTS log (number, event, result)")
    producer, consumers, waiting = connect(bootstrap, topic)
    while any(waiting.values()) or order:
        if not any(waiting.values()):
            send(producer, topic, order, "placed", waiting)
            order, touches = None, iter(range(point))
        role = max(waiting, key=waiting.get)
        record = consumers[role].poll(30)
        message = json.loads(record.value())
        waiting[role] -= 1
        if message["event"] in REACTIONS[role]:
            result = handle(role, bases[role], **message)
            touch()
            send(producer, topic, message["order"], result, waiting)
            touch()
            consumers[role].commit(record, asynchronous=False)


def strike(bootstrap, topic, folder, flaw, numbers):
    """Kill at the first point, at the second … until no point is left; yield orders."""
    context = get_context("forkserver")  # It starts processes fast.
    context.set_forkserver_preload(["confluent_kafka"])
    for point, number in enumerate(numbers):
        order = {"number": number, "with": flaw}
        process = context.Process(
            target=serve, args=(bootstrap, topic, folder, order, point)
        )
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


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    admin, numbers = AdminClient({"bootstrap.servers": bootstrap}), count(1)
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)
    deadline = time.monotonic() + 30
    while admin.list_topics(topic, 10).topics[topic].error:  # It is not known yet.
        if time.monotonic() > deadline:
            raise TimeoutError("The topic was not there within 30 seconds.")
    with TemporaryDirectory() as folder:
        for flaw in ("nothing wrong", *REFUSED.values()):
            *killed, last = strike(bootstrap, topic, folder, flaw, numbers)
            whole = fate(folder, last)
            same = sum(fate(folder, number) == whole for number in killed)
            print(f"an order with {flaw}: {whole}")
            print(f"killed at each of {len(killed)} points: {same} times the same")


if __name__ == "__main__":
    main(*sys.argv[1:])

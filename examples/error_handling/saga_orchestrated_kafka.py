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

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

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
    """Return a producer, a consumer of every partition, and how many messages wait."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0})
    settings = {"bootstrap.servers": bootstrap, "group.id": topic}
    consumer = Consumer({**settings, "enable.auto.commit": False})
    partitions = [TopicPartition(topic, number) for number in range(len(ROLES))]
    places, waiting = committed(consumer, partitions), 0
    for place in places:
        place.offset = max(place.offset, 0)  # It is negative before the first commit.
        waiting += consumer.get_watermark_offsets(place, 30)[1] - place.offset
    consumer.assign(places)
    return producer, consumer, waiting


def send(producer, topic, order, what):
    partition = ROLES.index(DOES.get(what, "orchestrator"))
    body = json.dumps({"order": order, "what": what})
    producer.produce(topic, body, partition=partition)
    if producer.flush(30):
        raise TimeoutError("Kafka did not confirm a message within 30 seconds.")


def serve(bootstrap, topic, folder, order=None, point=None):
    """Do what a killed process left; then place an order, and die at a point of it."""
    global touches
    bases = {role: sqlite3.connect(f"{folder}/{role}.db") for role in ROLES}
    for base in bases.values():
        base.execute("CREATE TABLE IF NOT EXISTS log (number, what, answer)")
    producer, consumer, waiting = connect(bootstrap, topic)
    while waiting or order:
        if not waiting:
            send(producer, topic, order, "placed")
            order, touches, waiting = None, iter(range(point)), 1
        record = consumer.poll(30)
        role, message = ROLES[record.partition()], json.loads(record.value())
        if answer := handle(role, bases[role], **message):
            touch()
            send(producer, topic, message["order"], answer)
            waiting += 1
        touch()
        consumer.commit(record, asynchronous=False)
        waiting -= 1


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
    rows, done = "SELECT answer FROM log WHERE number = ?", []
    for role in ROLES[1:]:
        base = sqlite3.connect(f"{folder}/{role}.db")
        done += [answer for (answer,) in base.execute(rows, [number])]
    return ", ".join(s for s in DOES for _ in range(done.count(f"{s} done")))


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    admin, numbers = AdminClient({"bootstrap.servers": bootstrap}), count(1)
    admin.create_topics([NewTopic(topic, len(ROLES), 1)])[topic].result(30)
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

"""The sender or the receiver is killed before, between or after its two steps.

The programs of the page do the work. The lab only listens where they may be killed, and
counts the lines that each order got in the ledger.
"""

import importlib
import sqlite3
from itertools import product
from multiprocessing import get_context
from signal import SIGKILL
from tempfile import TemporaryDirectory
from uuid import uuid4

from labs.checker import Outcome, account
from labs.hearing import hear

BROKERS = {"kafka": 1, "rabbitmq": 1}
CLIENTS = ("kafka-python", "pika")
GUARANTEES = ("at most once", "at least once", "exactly-once effect")
SIDES, POINTS = ("sender", "receiver"), ("before", "between", "after")
VARIANTS = tuple(
    f"{broker}, {guarantee}, {side} {point}"
    for broker, guarantee, side, point in product(
        ("Kafka", "RabbitMQ"), GUARANTEES, SIDES, POINTS
    )
)
COUNT, ORDER = 10, 5  # The programs send ten orders, and are killed at order 5.

# What a side has done with order 5 when it comes to a point, and what it does next.
MARKS = "the sender marks order 5 as sent"
SENDS, CONFIRMS = "the sender sends order 5", "the broker confirms order 5"
GETS, ADDS = "the receiver gets order 5", "the receiver adds order 5 to the total"
KNOWS = "the receiver has order 5 already, and adds nothing"
ACKNOWLEDGES = "the receiver acknowledges order 5"
NOTE_FIRST = {
    "before": {"receiver": GETS},
    "between": {"sender": MARKS, "receiver": ACKNOWLEDGES},
    "after": {"sender": CONFIRMS, "receiver": ADDS},
}
NOTE_LAST = {
    "before": {"receiver": GETS},
    "between": {"sender": CONFIRMS, "receiver": ADDS},
    "after": {"sender": MARKS, "receiver": ACKNOWLEDGES},
}


def create(shop):
    """Create the database of the programs, with the orders that are to be sent."""
    with sqlite3.connect(shop) as db:
        db.execute("CREATE TABLE orders (number, sent)")
        db.execute("CREATE TABLE ledger (number, amount)")
        db.execute("CREATE TABLE seen (id UNIQUE)")
        orders = [(number,) for number in range(1, COUNT + 1)]
        db.executemany("INSERT INTO orders VALUES (?, FALSE)", orders)


def ledger(shop):
    """Return the number of the order of each line of the ledger."""
    with sqlite3.connect(shop) as db:
        return [number for (number,) in db.execute("SELECT number FROM ledger")]


def work(module, side, line, address, name, shop, at):
    """Run one side of the program `module`; tell `line` how far order 5 has come."""
    program = importlib.import_module(module)
    first = "at_most_once" in module
    done = NOTE_FIRST if first else NOTE_LAST
    kill, sends_at = program.crash, "between" if first else "before"
    lines = 0

    def crash(here, number, at):
        nonlocal lines
        if number == ORDER:
            before, lines = lines, ledger(shop).count(ORDER)
            if event := done[here].get(side):
                line.send(KNOWS if event == ADDS and lines == before else event)
        kill(here, number, at)
        if number == ORDER and side == "sender" and here == sends_at:
            line.send(SENDS)

    program.crash = crash
    getattr(program, side)(address, name, shop, at)


def follow(module, side, note, *arguments):
    """Run one side in a process of its own; note what it tells and whether it died."""
    context = get_context("forkserver")  # Quicker than spawn, and as good to kill.
    context.set_forkserver_preload(["kafka", "pika", "sqlite3"])
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(module, side, there, *arguments))
    process.daemon = True
    process.start()
    there.close()
    note(f"the {side} starts")
    for told in hear(here):
        note(told)
    process.join(30)
    if process.exitcode == -SIGKILL:
        note(f"the {side} is killed")
    return process.exitcode


def run(brokers, variant, note):
    """Run one variant. Raises RuntimeError if nobody was killed, or somebody failed."""
    broker, guarantee, where = variant.split(", ")
    killed, point = where.split()
    broker = broker.lower()
    program = guarantee.replace("-", "_").replace(" ", "_")
    module = f"delivery_guarantees.{program}_{broker}"
    address, name = brokers[broker].address, f"orders-{uuid4().hex[:8]}"
    told, exits = set(), []

    def again(event):
        """Note an event of order 5, and say so if it is the second of its kind."""
        note(f"{event} again" if event in told else event)
        told.add(event)

    with TemporaryDirectory() as folder:
        shop = f"{folder}/shop"
        create(shop)
        for side in SIDES:
            for at in (point, None) if side == killed else (None,):
                exits.append(follow(module, side, again, address, name, shop, at))
        done = ledger(shop)
    if sorted(exits) != [-SIGKILL, 0, 0]:
        raise RuntimeError(f"One of three had to be killed, they ended with {exits}.")
    times = done.count(ORDER)
    note(f"order 5 is in the total {times} time{'' if times == 1 else 's'}")
    orders = range(1, COUNT + 1)
    return Outcome(account(orders, orders, done), {"effects of order 5": times})

"""A saga is killed at every point where it touches the outside, on both brokers.

Beside the chapter's two programs it runs two that are wrong: services that do a command
as often as it comes, and an orchestrator that keeps what it knows in memory.
"""

import sqlite3
from collections import Counter
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from itertools import count
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from uuid import uuid4

from confluent_kafka.admin import AdminClient, NewTopic
from labs.checker import Outcome

BROKERS = {"kafka": 1, "rabbitmq": 1}
CLIENTS = ("confluent-kafka", "pika")
VARIANTS = ("orchestrated", "choreographed", "no inbox", "state in memory")
DONE = "reserve, charge, ship, take"
UNDONE = ("reserve, release", "reserve, charge, refund, release")
ENDS = ("all done", "all undone", "half done", "charged twice", "another step twice")
PROGRAM = "error_handling.saga_{}_{}"


def do_again(program, role, base, order, what):
    """Handle a message as the program does, but do a command as often as it comes."""
    if role != "orchestrator":
        with base:
            answer = program.act(order, {}, what)
            row = [order["number"], what, answer]
            base.execute("INSERT INTO log VALUES (?, ?, ?)", row)
            program.touch()
        return answer
    return program.kept(role, base, order, what)


def forget(path):
    """Open a service's database, but the orchestrator's in memory."""
    return sqlite3.connect(":memory:" if "orchestrator" in path else path)


def serve_wrongly(broker, variant, *arguments):
    """Be the process of the orchestrated program with one thing wrong."""
    program = import_module(PROGRAM.format("orchestrated", broker))
    if variant == "no inbox":
        program.kept, program.handle = program.handle, partial(do_again, program)
    else:
        program.sqlite3 = SimpleNamespace(connect=forget)
    program.serve(*arguments)


@contextmanager
def chosen(broker, variant):
    """Yield the program of a variant; the killed processes do what the variant says."""
    if variant in ("orchestrated", "choreographed"):
        yield import_module(PROGRAM.format(variant, broker))
        return
    program = import_module(PROGRAM.format("orchestrated", broker))
    right, program.serve = program.serve, partial(serve_wrongly, broker, variant)
    yield program
    program.serve = right


def end(fate):
    """Return which of the ends an order has met, by the steps that were done."""
    if fate == DONE:
        return "all done"
    if fate in UNDONE:
        return "all undone"
    steps = Counter(fate.split(", "))
    if steps["charge"] > 1:
        return "charged twice"
    return "another step twice" if max(steps.values()) > 1 else "half done"


def run(brokers, variant, note):
    """Run one variant on both brokers; its counts are the sums, but for the points."""
    ends, points = dict.fromkeys(ENDS, 0), 0
    for broker, cluster in brokers.items():
        name, numbers = f"orders-{uuid4().hex[:8]}", count(1)
        if broker == "kafka":
            admin = AdminClient({"bootstrap.servers": cluster.address})
            admin.create_topics([NewTopic(name, 4, 1)])[name].result(30)
        with chosen(broker, variant) as program, TemporaryDirectory() as folder:
            flaws = ("nothing wrong", *program.REFUSED.values())
            if variant not in ("orchestrated", "choreographed"):
                flaws = flaws[:1]  # It shows on the first already.
            for flaw in flaws:
                struck = program.strike(cluster.address, name, folder, flaw, numbers)
                *killed, _ = struck
                here = Counter(end(program.fate(folder, each)) for each in killed)
                note(
                    f"{broker}, an order with {flaw}: {len(killed)} kills, {say(here)}"
                )
                points += len(killed)
                for each, times in here.items():
                    ends[each] += times
    return Outcome(counts={"points struck on each": points // 2, **ends})


def say(ends):
    return ", ".join(f"{times} {each}" for each, times in ends.items())

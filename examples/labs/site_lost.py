"""A site is killed under load, and the other goes on with what was copied to it.

The two brokers know nothing of each other. Near, orders are sent one by one, 200 a
second at most, and handled at once. When near is killed, far takes over without asking
anybody: its consumer and its producer start in that moment.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count, takewhile
from threading import Event
from uuid import uuid4

from labs import kafka_sites, rabbitmq_sites
from labs.checker import Outcome

BROKERS = {"kafka": "sites", "rabbitmq": "sites"}
CLIENTS = ("kafka-python", "pika")
VARIANTS = ("MirrorMaker 2", "federation", "shovel")
LOAD, PAUSE = 3, 0.005  # Seconds of the load, and between two orders.
FIRST, SECOND, *NEW = range(-1, -13, -1)  # Orders outside the load, which count up.


def run(brokers, variant, note):
    """Run one variant; both sites are there again when it returns."""
    kind = "kafka" if variant == "MirrorMaker 2" else "rabbitmq"
    at, sites = {"kafka": kafka_sites, "rabbitmq": rabbitmq_sites}[kind], brokers[kind]
    suffix = "" if kind == "kafka" else f"_{variant}"
    link, unlink = (getattr(at, f"{what}{suffix}") for what in ("link", "unlink"))
    name, (near, far) = f"orders-{uuid4().hex[:8]}", sites
    sent, acknowledged, there, here, open_near, open_far = {}, {}, {}, {}, *events(2)
    at.prepare(sites, name)
    with ThreadPoolExecutor(3) as threads:
        try:
            work = at.handle, near.address, at.near_place(name), there, open_near
            working = threads.submit(*work)
            with at.sender(near.address, name) as send:
                send(FIRST)
                wait_until(lambda: FIRST in there, working)
                link(sites, name)
                send(SECOND)
            at.arrived(sites, name, 1)
            note("near is copied to far: orders come")
            load = at, near.address, name, sent, acknowledged, open_near
            loading = threads.submit(send_orders, *load)
            time.sleep(LOAD)  # How long all is well.
            near.kill()
            killed = time.monotonic()
            open_near.clear()
            note(f"near is killed: {len(acknowledged)} orders are acknowledged")
            work = at.handle, far.address, at.far_place(name), here, open_far
            working = threads.submit(*work)
            with at.sender(far.address, name) as send:
                for number in NEW:
                    send(number)
            wait_until(lambda: {*NEW} <= here.keys(), working)
            note("far has handled the first new orders")
            copies = at.copied(sites, name, here) & sent.keys()
            note(f"far has handled all that it has: {len(copies)} copies")
            loading.result(timeout=60)
        finally:
            for event in (open_near, open_far):
                event.clear()
    near.start()
    unlink(sites, name)
    note("near is there again")
    lost = acknowledged.keys() - copies
    return Outcome(
        None,
        {
            "acknowledged near": len(acknowledged),
            "of these not far": len(lost),
            "far and handled nowhere": len(copies - there.keys() - here.keys()),
            "handled at both": len((there.keys() & here.keys()) - {FIRST, SECOND}),
            "new orders handled far": len(here.keys() & {*NEW}),
        },
        {
            "age of the newest copy": killed - sent[max(copies)],
            "kill to first new order": min(here[each] for each in NEW) - killed,
        },
    )


def events(number):
    """Return so many events that are set."""
    made = [Event() for _ in range(number)]
    for event in made:
        event.set()
    return made


def send_orders(at, url, name, sent, acknowledged, going):
    """Send orders until the site is gone, or `going` is cleared; note when each is sent
    and acknowledged.
    """
    with at.sender(url, name) as send:
        for number in takewhile(lambda _: going.is_set(), count()):
            sent[number] = time.monotonic()
            try:
                send(number)
            except at.ERRORS:
                return
            acknowledged[number] = time.monotonic()
            time.sleep(PAUSE)


def wait_until(fact, working):
    """Wait until `fact()` is true; raise RuntimeError if the consumer ends before."""
    deadline = time.monotonic() + 40
    while not fact():
        if working.done():
            raise RuntimeError("The consumer has ended.") from working.exception()
        if time.monotonic() > deadline:
            raise TimeoutError("The orders are not handled.")
        time.sleep(0.005)

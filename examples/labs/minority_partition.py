"""A node is cut off from the two others while orders are published through it.

It leads the queue, a quorum queue of three. The publisher waits for its confirms, or it
sends again, through the majority, what was not confirmed.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Event
from uuid import uuid4

from brokers.rabbitmq_node import rabbitmqctl
from labs.checker import Outcome, account
from labs.numbered_orders import declare, publish, read, wait_for

BROKERS = {"rabbitmq": 3}
CLIENTS = ("pika",)
VARIANTS = ("waits", "sends again", "closes, sends again")
BEFORE, COUNT = 100, 200  # Orders before the cut, and with those during the cut.
PAUSE = 0.01  # Seconds between two orders.


def evaluate(node, expression):
    """Return what a node makes of an expression of Erlang; this takes a second."""
    return rabbitmqctl(node, "eval", expression)


def cut_off(node):
    """Cut a node off: it gets another password for the others, and so all refuse it."""
    evaluate(
        node,
        "[begin erlang:set_cookie(N, wrong), erlang:disconnect_node(N) end "
        "|| N <- rabbit_nodes:list_members(), N =/= node()].",
    )


def heal(node):
    """Give a node that was cut off the right password again, and connect it."""
    evaluate(
        node,
        "[begin erlang:set_cookie(N, erlang:get_cookie()), net_adm:ping(N) end "
        "|| N <- rabbit_nodes:list_members(), N =/= node()].",
    )


def orders(cut):
    """Yield the first numbers, then None until `cut` is set, and then the others."""
    yield from range(BEFORE)
    while not cut.is_set():
        yield None
    yield from range(BEFORE, COUNT)


def run(brokers, variant, note):
    """Run one variant; the cluster is whole when it returns."""
    alone, other, _ = brokers["rabbitmq"].nodes
    queue, cut = f"orders-{uuid4().hex[:8]}", Event()
    declare(alone.address, queue, "quorum")
    first, second = {}, {}  # What the node has confirmed, and what the majority has.
    patience = 4 if variant.startswith("closes") else 120
    with ThreadPoolExecutor(1) as thread:
        args = (alone.address, queue, orders(cut), first, [], PAUSE, COUNT, patience)
        publishing = thread.submit(publish, *args)
        wait_for(first, BEFORE)
        note(f"{len(first)} orders are confirmed")
        try:
            cut_off(alone)
            note("the leader is cut off, and the publisher goes on")
            cut.set()
            time.sleep(5)  # How long it lasts.
            meanwhile = len(first) - BEFORE
            note(f"{COUNT} are sent, {len(first)} confirmed")
            if variant.startswith("closes"):
                publishing.result(timeout=60)
                note("the publisher has closed its connection")
            if variant != "waits":
                again = [number for number in range(COUNT) if number not in first]
                publish(other.address, queue, again, second, [])
                note(f"{len(second)} are sent again, and confirmed by the majority")
        finally:
            cut.set()
            heal(alone)
        note("the nodes are together again")
        publishing.result(timeout=150)
    note(f"the node has confirmed {len(first)} by now")
    delivered = read(other.address, queue)
    note(f"{len(delivered)} were read")
    gap = max(later - earlier for earlier, later in pairwise(first.values()))
    return Outcome(
        account(range(COUNT), {**first, **second}, delivered),
        {"confirmed while cut": meanwhile, "sent again": len(second)},
        {"longest gap": gap} if variant == "waits" else {},
    )

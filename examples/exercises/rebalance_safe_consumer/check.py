"""Member 1 has handled forty orders of two partitions when member 2 joins."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from exercises import Fault
from exercises.kafka_topics import create
from kafka import KafkaProducer

STARTS_WITH = (
    "Member 2 was given a partition in which member 1 had handled 20 orders, and "
    "handled 20 of them again: where member 1 stood was not committed when it gave "
    "the partition away."
)


def check(work, bootstrap, topic):
    create(bootstrap, topic, partitions=2)
    handled, stop = [], Event()  # Pairs of a member and an order.

    def member(number):
        work.work(
            bootstrap,
            topic,
            f"{topic}-workers",
            lambda order: handled.append((number, order)),
            stop,
        )

    producer = KafkaProducer(bootstrap_servers=bootstrap)
    with producer, ThreadPoolExecutor(2) as pool:
        try:
            join_and_watch(pool, member, producer, topic, handled)
        finally:
            stop.set()
    nothing_was_done_twice(handled)


def join_and_watch(pool, member, producer, topic, handled):
    """Let member 1 work and member 2 join, until both have handled what came then."""
    for number in range(20):
        send_to_both(producer, topic, f"order {number}")
    members = [pool.submit(member, 1)]
    wait(members, lambda: len(handled) >= 40, "member 1 has handled the first orders")
    members.append(pool.submit(member, 2))

    def member_2_has_handled_a_late_one():
        send_to_both(producer, topic, f"late order {time.monotonic()}")
        return any(who == 2 and "late" in order for who, order in handled)

    wait(members, member_2_has_handled_a_late_one, "member 2 has handled a new order")
    send_to_both(producer, topic, "last order")
    last = {f"last order in {partition}" for partition in (0, 1)}
    wait(
        members,
        lambda: last <= {order for _, order in handled},
        "the last order of each partition is handled",
    )


def send_to_both(producer, topic, order):
    for partition in (0, 1):
        value = f"{order} in {partition}".encode()
        producer.send(topic, value, partition=partition).get(timeout=10)


def wait(members, fact, what):
    """Wait until `fact()`; raise what ended a member, or a Fault after 20 seconds."""
    deadline = time.monotonic() + 20
    while not fact():
        for each in members:
            if each.done():
                each.result()
                raise Fault("work returned before `stop` was set: a member stays.")
        if time.monotonic() > deadline:
            raise Fault(f"After 20 seconds it is still not so that {what}.")
        time.sleep(0.1)


def nothing_was_done_twice(handled):
    first = {order for who, order in handled if who == 1 and order.startswith("order")}
    again = {order for who, order in handled if who == 2} & first
    if again:
        raise Fault(
            "Member 2 was given a partition in which member 1 had handled 20 orders, "
            f"and handled {len(again)} of them again: where member 1 stood was not "
            "committed when it gave the partition away."
        )
    twice = [order for (_, order), n in Counter(handled).items() if n > 1]
    seen = Counter(order for _, order in handled)
    if twice or max(seen.values()) > 1:
        raise Fault(
            f"{sum(n > 1 for n in seen.values())} orders were handled twice around the "
            "change: a member took a partition up at an older place than the last "
            "order that was handled."
        )

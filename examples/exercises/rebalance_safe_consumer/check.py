"""Member 2 joins member 1, which has handled forty orders, and leaves it again.

Meanwhile the only member of another group is long at work on its first order.
"""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from exercises import Fault
from exercises.kafka_topics import committed, create, send
from kafka import KafkaProducer

STARTS_WITH = (
    "Member 2 was given a partition in which member 1 had handled 20 orders, and "
    "handled 20 of them again: where member 1 stood was not committed when it gave "
    "the partition away."
)
LONG = 5.5  # Seconds; librdkafka commits by itself every five, if it is let.


class Members:
    """The members of a group, each in a thread, and what they have handled."""

    def __init__(self, pool, work, bootstrap, topic):
        self.begin = lambda *rest: pool.submit(
            work.work, bootstrap, topic, f"{topic}-workers", *rest
        )
        self.handled = []  # Pairs of a member's number and an order.
        self.stops, self.running = {}, {}

    def join(self, number):
        def handle(order):
            self.handled.append((number, order))

        self.stops[number] = Event()
        self.running[number] = self.begin(handle, self.stops[number])

    def leave(self, number):
        member = self.running.pop(number)
        self.stops[number].set()
        self.wait(member.done, f"member {number} has ended after `stop` was set")
        member.result()

    def orders_of(self, number):
        return {order for who, order in list(self.handled) if who == number}

    def wait(self, fact, what):
        """Wait until `fact()`; raise what ended a member, or a Fault after 20 s."""
        deadline = time.monotonic() + 20
        while not fact():
            for each in self.running.values():
                if each.done():
                    each.result()
                    raise Fault("work returned before `stop` was set: a member stays.")
            if time.monotonic() > deadline:
                raise Fault(f"After 20 seconds it is still not so that {what}.")
            time.sleep(0.1)


def check(work, bootstrap, topic):
    create(bootstrap, topic, partitions=2)
    create(bootstrap, f"{topic}-long")
    send(bootstrap, f"{topic}-long", ["long order"])
    with ThreadPoolExecutor(3) as pool:
        alone = Members(pool, work, bootstrap, f"{topic}-long")
        pair = Members(pool, work, bootstrap, topic)
        begun, over = [], Event()

        def be_long_at_work(_order):
            begun.append(time.monotonic())
            over.wait(30)

        alone.running[1] = alone.begin(be_long_at_work, over)
        try:
            join_and_leave(pair, bootstrap, topic)
            alone.wait(lambda: begun, "a member that is alone has received an order")
            time.sleep(max(0, begun[0] + LONG - time.monotonic()))
            what_is_committed_is_done(bootstrap, f"{topic}-long")
        finally:
            for stop in (over, *pair.stops.values()):
                stop.set()


def join_and_leave(members, bootstrap, topic):
    """Let member 1 work, member 2 join and leave, and look at what they handle."""
    sent = set()

    def send_to_both(order):
        for partition in (0, 1):
            value = f"{order} in {partition}"
            producer.send(topic, value.encode(), partition=partition).get(timeout=10)
            sent.add(value)

    def everything_is_handled():
        return sent <= {order for _, order in list(members.handled)}

    def member_2_has_handled_a_late_one():
        send_to_both(f"late order {time.monotonic()}")
        return any("late" in order for order in members.orders_of(2))

    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for number in range(20):
            send_to_both(f"order {number}")
        members.join(1)
        members.wait(everything_is_handled, "member 1 has handled the first 40 orders")
        commits_are_rare(committed(bootstrap, f"{topic}-workers", topic, partitions=2))
        members.join(2)
        members.wait(member_2_has_handled_a_late_one, "member 2 has handled an order")
        members.wait(everything_is_handled, "each order is handled")
        member_2_repeats_nothing(members)
        members.leave(2)
        send_to_both("last order")
        members.wait(everything_is_handled, "each order is handled after member 2 left")
        member_1_repeats_nothing(members)


def commits_are_rare(offsets):
    if any(offsets):
        raise Fault(
            "Member 1 has handled 20 orders of each partition, and the group's "
            f"committed offsets are {offsets[0]} and {offsets[1]} already: each commit "
            "costs a request, and the first is due after a hundred orders."
        )


def member_2_repeats_nothing(members):
    first = {order for order in members.orders_of(1) if order.startswith("order")}
    if again := members.orders_of(2) & first:
        raise Fault(
            "Member 2 was given a partition in which member 1 had handled 20 orders, "
            f"and handled {len(again)} of them again: where member 1 stood was not "
            "committed when it gave the partition away."
        )
    nothing_is_done_twice(members)


def member_1_repeats_nothing(members):
    if again := members.orders_of(2) & members.orders_of(1):
        raise Fault(
            "Member 2 left, member 1 got the partition back, and handled again "
            f"{len(again)} of the orders that member 2 had handled: either member 2 "
            "did not commit when it left, or member 1 committed what it knew from the "
            "time before it gave the partition away, and so took the group back."
        )
    nothing_is_done_twice(members)


def nothing_is_done_twice(members):
    seen = Counter(order for _, order in members.handled)
    if count := sum(times > 1 for times in seen.values()):
        raise Fault(
            f"{count} orders were handled twice around the change: a member took a "
            "partition up at an older place than the last order that was handled."
        )


def what_is_committed_is_done(bootstrap, topic):
    if committed(bootstrap, f"{topic}-workers", topic)[0]:
        raise Fault(
            f"A member was at work on an order for {LONG} seconds, and the group had "
            "committed it by then: if that member dies, nobody ever handles the order. "
            "What librdkafka commits in the background is what it has handed out."
        )

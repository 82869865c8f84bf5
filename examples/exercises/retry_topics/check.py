"""Six orders: three are charged at once, one at its third attempt, two never.

Then a worker is killed while it charges, and a dead letter is refused.
"""

import os
from collections import Counter, defaultdict
from contextlib import suppress

from exercises import Fault
from exercises.another_process import run
from exercises.kafka_topics import committed, create, read, send

STARTS_WITH = (
    "work ended with the ConnectionError of order 2, and nobody has charged order 3, "
    "order 4, order 5, order 6: one order that fails must not stop its neighbours."
)
ORDERS = [f"order {number}" for number in range(1, 7)]
FAILURES = {"order 2": 2, "order 5": 99}  # The bank is away so many times.
POISON = "order 3"
EXPECTED = dict.fromkeys(ORDERS, 1) | {"order 2": 3, "order 5": 3}
RETRIED = [("1", "ConnectionError"), ("2", "ConnectionError")]
# A worker that dies has these in the topic, and those in the retry topic.
FIRST, AGAIN = ORDERS[:3], ORDERS[3:5]
CHARGED = []  # What that worker was asked to charge.


class Bank:
    """Counts how often it was asked to charge an order, and fails as planned."""

    def __init__(self):
        self.attempts = Counter()
        self.raised = []

    def charge(self, order):
        self.attempts[order] += 1
        if order == POISON:
            self.fail(ValueError(f"{order} is not an order"))
        if self.attempts[order] <= FAILURES.get(order, 0):
            self.fail(ConnectionError("The bank is away"))

    def fail(self, error):
        if self.attempts.total() > 50:
            raise Fault(
                "The bank was asked more than 50 times for six orders: whoever tries "
                "again must count, and the count must travel with the record."
            )
        self.raised.append(error)
        raise error


def check(work, bootstrap, topic):
    every_order_is_dealt_with(work, bootstrap, topic)
    nothing_goes_with_a_worker(work, bootstrap, f"{topic}-killed")
    what_is_refused_is_not_committed(work, bootstrap, f"{topic}-refused")


def create_all(bootstrap, topic, **dead):
    """Create the three topics; `dead` are the settings of that for dead letters."""
    create(bootstrap, topic)
    create(bootstrap, f"{topic}-retry")
    create(bootstrap, f"{topic}-dead", **dead)


def every_order_is_dealt_with(work, bootstrap, topic):
    group, bank = f"{topic}-workers", Bank()
    create_all(bootstrap, topic)
    send(bootstrap, topic, ORDERS)
    try:
        work.work(bootstrap, topic, group, bank.charge, len(ORDERS))
    except (ConnectionError, ValueError) as error:
        if error not in bank.raised:
            raise
        order = max(bank.attempts)
        left = [each for each in ORDERS if each not in bank.attempts]
        raise Fault(
            f"work ended with the {type(error).__name__} of {order}, and nobody has "
            f"charged {', '.join(left) or 'it again'}: one order that fails must not "
            "stop its neighbours."
        ) from error
    attempts_are_as_many_as_they_should(bank.attempts)
    retried = read(bootstrap, f"{topic}-retry")
    if not retried:
        raise Fault(
            "Nothing went to the retry topic: what failed was tried again in place, "
            "and whatever stood behind it had to wait."
        )
    records_say_why(retried, "retry topic", {"order 2": RETRIED, "order 5": RETRIED})
    dead = {"order 3": [("1", "ValueError")], "order 5": [("3", "ConnectionError")]}
    records_say_why(read(bootstrap, f"{topic}-dead"), "topic for dead letters", dead)
    for each, end in ((topic, len(ORDERS)), (f"{topic}-retry", len(retried))):
        if (offset := committed(bootstrap, group, each)[0]) != end:
            raise Fault(
                f"All orders are dealt with, and the group's committed offset in "
                f"{each} is {offset} and not {end}: the next worker would charge "
                "orders again."
            )


def attempts_are_as_many_as_they_should(attempts):
    why = {
        "order 2": "the bank was away twice, and then back",
        "order 3": "no attempt can succeed with a ValueError",
        "order 5": "the bank was always away, and three attempts are the limit",
    }
    for order, expected in EXPECTED.items():
        if attempts[order] != expected:
            raise Fault(
                f"Attempts at {order}: {attempts[order]}, and {expected} were due: "
                f"{why.get(order, 'nothing was wrong with it')}."
            )


def records_say_why(records, where, expected):
    """Compare records with the (attempts, error) that each order should have there."""
    found = defaultdict(list)
    for record in records:
        found[record.value.decode()].append(dict(record.headers))
    for order in sorted({*found, *expected}):
        times, due = len(found[order]), expected.get(order, [])
        if times != len(due):
            raise Fault(
                f"Records of {order} in the {where}: {times}, and {len(due)} were due."
            )
        for headers, wanted in zip(found[order], due, strict=True):
            for name, value in zip(("attempts", "error"), wanted, strict=True):
                header_is(order, where, name, headers.get(name), value)


def header_is(order, where, name, value, due):
    if value is None:
        raise Fault(
            f"In the {where} {order} has no header `{name}`, and `{due}` was due: what "
            "a record does not say, its next reader cannot know."
        )
    if (text := value.decode(errors="replace")) != due:
        raise Fault(
            f"In the {where} {order} has the header `{name}` with `{text}`, and "
            f"`{due}` was due."
        )


def charge_or_die(order):
    """Die as a process that is killed does, at the second order of the later topic.

    The exit code is the order's number.
    """
    CHARGED.append(order)
    if {FIRST[1], AGAIN[1]} <= {*CHARGED}:
        os._exit(int(order.removeprefix("order ")))


def nothing_goes_with_a_worker(work, bootstrap, topic):
    group = f"{topic}-workers"
    create_all(bootstrap, topic)
    send(bootstrap, topic, FIRST)
    headers = [("attempts", b"1"), ("error", b"ConnectionError")]
    send(bootstrap, f"{topic}-retry", AGAIN, headers=headers)
    count = len(FIRST + AGAIN)
    number = run(work.work, bootstrap, topic, group, charge_or_die, count)
    order = f"order {number}"
    if order not in (FIRST[1], AGAIN[1]):
        raise Fault("work returned, and had not charged all that is in both topics.")
    where = topic if order in FIRST else f"{topic}-retry"
    offset = committed(bootstrap, group, where)[0] or 0
    if offset > 1:  # The order's own.
        raise Fault(
            f"A worker died while it charged {order}, and the group had committed it: "
            f"the committed offset in {where} was {offset}, and {order} has offset 1, "
            "so nobody will ever charge it. `commit()` without arguments commits the "
            "position in every partition, which is behind all that `poll` returned."
        )


def refuse(order):
    raise ValueError("This is not an order")


def what_is_refused_is_not_committed(work, bootstrap, topic):
    group = f"{topic}-workers"
    create_all(bootstrap, topic, max_message_bytes=1000)
    send(bootstrap, topic, ["x" * 2000])
    with suppress(Exception):  # An error is a good way to say it.
        work.work(bootstrap, topic, group, refuse, 1)
    if committed(bootstrap, group, topic)[0]:
        raise Fault(
            "A dead letter was too large for its topic and the broker refused it, and "
            "the group has committed the order all the same: now nobody has it. What "
            "is sent on counts when the broker has answered for it, and not before."
        )

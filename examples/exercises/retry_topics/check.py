"""Six orders: three are charged at once, one at its third attempt, two never."""

from collections import Counter

from exercises import Fault
from exercises.kafka_topics import committed, create, read, send

STARTS_WITH = (
    "work ended with the ConnectionError of order 2, and nobody has charged order 3, "
    "order 4, order 5, order 6: one order that fails must not stop its neighbours."
)
ORDERS = [f"order {number}" for number in range(1, 7)]
FAILURES = {"order 2": 2, "order 5": 99}  # The bank is away so many times.
POISON = "order 3"
EXPECTED = dict.fromkeys(ORDERS, 1) | {"order 2": 3, "order 5": 3}


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
    group, bank = f"{topic}-workers", Bank()
    for each in (topic, f"{topic}-retry", f"{topic}-dead"):
        create(bootstrap, each)
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
    what_waits_is_in_the_retry_topic(read(bootstrap, f"{topic}-retry"))
    what_is_dead_says_why(read(bootstrap, f"{topic}-dead"))
    if committed(bootstrap, group, topic) != [len(ORDERS)]:
        raise Fault(
            "All orders are dealt with, and the group's committed offset does not say "
            "so: the next worker would charge them again."
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


def described(records):
    """Return what the records say of themselves, sorted."""
    return sorted(
        (record.value.decode(), *(headers.get(each) for each in ("attempts", "error")))
        for record in records
        for headers in [{name: value.decode() for name, value in record.headers}]
    )


def what_waits_is_in_the_retry_topic(records):
    away = "ConnectionError"
    expected = [(each, n, away) for each in ("order 2", "order 5") for n in ("1", "2")]
    if (found := described(records)) != expected:
        raise Fault(
            "In the retry topic, as (order, attempts, error), there should be "
            f"{expected}, and there is {found}."
        )


def what_is_dead_says_why(records):
    expected = [("order 3", "1", "ValueError"), ("order 5", "3", "ConnectionError")]
    if (found := described(records)) != expected:
        raise Fault(
            "Of the dead letters, as (order, attempts, error), there should be "
            f"{expected}, and there is {found}."
        )

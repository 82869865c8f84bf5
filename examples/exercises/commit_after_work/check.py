"""Worker 1 dies at order 4 of 6, worker 2 goes on, and two more orders come."""

import os
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from exercises import Fault
from exercises.another_process import run
from exercises.kafka_topics import committed, create, send

STARTS_WITH = (
    "Worker 1 died while it handled order 4, and nobody ever handled order 4, order 5, "
    "order 6: for the group they were done before they were begun."
)


def handle(ledger, dies_at, order):
    """Write an order into the ledger, or die as a process does that is killed."""
    if order == dies_at:
        os._exit(9)
    with ledger.open("a") as lines:
        lines.write(f"{order}\n")


def check(work, bootstrap, topic):
    group = f"{topic}-workers"
    create(bootstrap, topic)
    send(bootstrap, topic, [f"order {number}" for number in range(1, 7)])
    with TemporaryDirectory() as folder:
        ledger = Path(folder, "ledger")
        dying, living = (
            partial(handle, ledger, "order 4"),
            partial(handle, ledger, None),
        )
        if run(work.work, bootstrap, topic, group, dying, "order 6") != 9:
            raise Fault("work returned, and had not called handle with order 4.")
        send(bootstrap, topic, ["order 7", "order 8"])
        run(work.work, bootstrap, topic, group, living, "order 8")
        handled = ledger.read_text().splitlines()
    orders = [f"order {number}" for number in range(1, 9)]
    if lost := [order for order in orders if order not in handled]:
        raise Fault(
            "Worker 1 died while it handled order 4, and nobody ever handled "
            f"{', '.join(lost)}: for the group they were done before they were begun."
        )
    if committed(bootstrap, group, topic) != [8]:
        raise Fault(
            "All 8 orders were handled, and the group's committed offset does not say "
            "so: the next worker would begin with orders that are done."
        )

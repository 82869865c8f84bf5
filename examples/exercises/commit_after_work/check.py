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
    "order 6: for the group, which had committed offset 6, they were done before they "
    "were begun. `commit()` without arguments commits the position, and that is behind "
    "the whole batch as soon as `poll` has returned it."
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
        offset = committed(bootstrap, group, topic)[0]
        send(bootstrap, topic, ["order 7", "order 8"])
        run(work.work, bootstrap, topic, group, living, "order 8")
        handled = ledger.read_text().splitlines()
    orders = [f"order {number}" for number in range(1, 9)]
    if lost := [order for order in orders if order not in handled]:
        raise Fault(never_handled(lost, offset))
    if (offset := committed(bootstrap, group, topic)[0]) != 8:
        raise Fault(
            f"All 8 orders were handled, and the group's committed offset is {offset}: "
            "it should be 8, that of the next record, and so the next worker would "
            "begin with orders that are done."
        )


def never_handled(lost, offset):
    """Return a sentence about orders that are lost; `offset` was committed at death."""
    one = len(lost) == 1
    before = "it was done before it was" if one else "they were done before they were"
    sentence = (
        "Worker 1 died while it handled order 4, and nobody ever handled "
        f"{', '.join(lost)}: for the group, which had committed offset {offset}, "
        f"{before} begun."
    )
    if offset == 6:  # The end of the batch.
        sentence += (
            " `commit()` without arguments commits the position, and that is behind "
            "the whole batch as soon as `poll` has returned it."
        )
    return sentence

"""Worker 1 dies at order 3 of 5, and worker 2 goes on: what does a reader get?"""

import os
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from exercises import Fault
from exercises.another_process import run
from exercises.kafka_topics import committed, create, read, send
from kafka import KafkaConsumer

STARTS_WITH = (
    "Worker 1 died while it made the invoice of order 3, and a reader gets the "
    "invoices of order 1, order 2 twice: they counted although their batch did not."
)
ORDERS = [f"order {number}" for number in range(1, 6)]


def make_invoice(dies_at, order):
    """Return the invoice of an order, or die as a process does that is killed."""
    if order == dies_at:
        time.sleep(0.5)  # Until what waits in the client has gone to the broker.
        os._exit(9)
    return f"invoice of {order}"


def make_and_watch(file, order):
    """Return the invoice of an order; if the consumer ever commits, make the file."""
    commit = KafkaConsumer.commit

    def watched(consumer, *arguments, **options):
        file.touch()
        return commit(consumer, *arguments, **options)

    KafkaConsumer.commit = watched
    return make_invoice(None, order)


def check(work, bootstrap, topic):
    group, invoices = f"{topic}-workers", f"{topic}-invoices"
    create(bootstrap, topic)
    create(bootstrap, invoices)
    send(bootstrap, topic, ORDERS)
    arguments = (work.write_invoices, bootstrap, topic, group)
    if run(*arguments, partial(make_invoice, "order 3"), "order 5") != 9:
        raise Fault("write_invoices returned, and had not made an invoice of order 3.")
    with TemporaryDirectory() as folder:
        file = Path(folder, "committed")
        run(*arguments, partial(make_and_watch, file), "order 5")
        alone = file.exists()
    each_invoice_is_seen_once(bootstrap, invoices)
    if alone:
        raise Fault(
            "The consumer committed its offset by itself: a worker that dies between "
            "that commit and the one of the invoices leaves one without the other."
        )
    if (offset := committed(bootstrap, group, topic)[0]) != len(ORDERS):
        raise Fault(
            f"The invoices of all {len(ORDERS)} orders are there, and the group's "
            f"committed offset is {offset}: it should be {len(ORDERS)}, that of the "
            "next record, and so the next worker would write invoices again."
        )


def each_invoice_is_seen_once(bootstrap, invoices):
    try:
        records = read(bootstrap, invoices, isolation_level="read_committed")
    except TimeoutError:
        raise Fault(
            "Both workers have ended, and a reader with read_committed does not get to "
            "the end of the invoices: a transaction is still open, and nobody ends it "
            "before its time is over."
        ) from None
    seen = [record.value.decode().removeprefix("invoice of ") for record in records]
    if missing := [order for order in ORDERS if order not in seen]:
        raise Fault(
            f"A reader with read_committed gets no invoice of {', '.join(missing)}: "
            "what was not committed is not there for it."
        )
    twice = [order for order in ORDERS if seen.count(order) > 1]
    if len(twice) == 1:
        raise Fault(
            "Worker 1 died while it made the invoice of order 3, and a reader gets the "
            f"invoice of {twice[0]} twice: either it counted although its batch did "
            f"not, or the offset that counted was that of {twice[0]} itself, and not "
            "that of the next record."
        )
    if twice:
        raise Fault(
            "Worker 1 died while it made the invoice of order 3, and a reader gets the "
            f"invoices of {', '.join(twice)} twice: they counted although their batch "
            "did not."
        )

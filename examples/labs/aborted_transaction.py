"""Every second transaction is aborted, and the last one is left open by a kill.

Then two readers read the same partition, one with each isolation level, as soon as the
broker has ended the open transaction.
"""

import os
import time
from multiprocessing import get_context
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from labs.checker import Outcome, account

BROKERS = {"kafka": 1}
CLIENTS = ("kafka-python",)
VARIANTS = ("read_uncommitted", "read_committed")
COUNT, BATCH = 100, 10  # Records, and how many make a transaction.


def write(bootstrap, topic, line):
    """Commit and abort by turns; die with the last transaction open.

    Tells `line` which numbers were committed.
    """
    producer = KafkaProducer(
        bootstrap_servers=bootstrap,
        transactional_id=topic,
        transaction_timeout_ms=3000,  # After it the broker aborts what is left open.
    )
    producer.init_transactions()
    committed = []
    for first in range(0, COUNT, BATCH):
        numbers = range(first, first + BATCH)
        producer.begin_transaction()
        for number in numbers:
            producer.send(topic, str(number).encode(), partition=0).get(10)
        if numbers[-1] == COUNT - 1:
            line.send(committed)
            line.close()
            os._exit(1)  # Killed, with the transaction open.
        if first // BATCH % 2:
            producer.abort_transaction()
        else:
            producer.commit_transaction()
            committed += numbers


def wait_for_end(bootstrap, topic):
    """Wait until nothing in the partition belongs to an open transaction."""
    place = TopicPartition(topic, 0)
    deadline = time.monotonic() + 60
    with (
        KafkaConsumer(bootstrap_servers=bootstrap) as plain,
        KafkaConsumer(
            bootstrap_servers=bootstrap, isolation_level="read_committed"
        ) as committed,
    ):
        while time.monotonic() < deadline:
            (end,) = plain.end_offsets([place]).values()
            (stable,) = committed.end_offsets([place]).values()
            if stable == end:
                return
            time.sleep(0.05)
    raise TimeoutError("The broker did not end the open transaction.")


def read(bootstrap, topic, isolation_level):
    """Return the number of each record that the reader gets, in order."""
    with KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        isolation_level=isolation_level,
        consumer_timeout_ms=2000,
    ) as reader:
        return [int(record.value) for record in reader]


def run(brokers, variant, note):
    """Run one variant: `variant` is the reader's isolation level."""
    address, topic = brokers["kafka"].address, f"orders-{uuid4().hex[:8]}"
    context = get_context("spawn")
    line, far_end = context.Pipe()
    arguments = (address, topic, far_end)
    producer = context.Process(target=write, args=arguments, daemon=True)
    producer.start()
    if not line.poll(60):
        raise TimeoutError("The producer says nothing.")
    committed = line.recv()
    producer.join(30)
    note(f"the producer died; it had committed {len(committed)} records")
    begin = time.monotonic()
    wait_for_end(address, topic)
    waited = time.monotonic() - begin
    note("the broker has aborted the open transaction")
    delivered = read(address, topic, variant)
    note("everything was read")
    counts = account(range(COUNT), committed, delivered)
    return Outcome(counts, seconds={"open after the death": waited})

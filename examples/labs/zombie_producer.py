"""An old copier wakes up after a new one took over, with and without a transaction.

Both copy numbered records from one topic to another by batches and commit their offset.
The old one is frozen in the middle of a batch, the new one copies the rest, and then
the old one goes on.
"""

import os
import signal
from contextlib import suppress
from multiprocessing import get_context
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata
from labs.checker import Outcome, account

BROKERS = {"kafka": 1}
CLIENTS = ("kafka-python",)
VARIANTS = ("no transaction", "transaction")
COUNT, BATCH = 100, 20  # Records, and how many are copied between two commits.


def fill(bootstrap, source):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for number in range(COUNT):
            producer.send(source, str(number).encode(), partition=0)
        producer.flush(30)


def copy(bootstrap, source, transactional, at_half_a_batch=None):
    """Copy from the committed offset to the end; commit after each batch.

    `at_half_a_batch` is called once, in the middle of the third batch.
    """
    place, group = TopicPartition(source, 0), f"{source}-copiers"
    settings = {"transactional_id": group} if transactional else {}
    with (
        KafkaProducer(bootstrap_servers=bootstrap, **settings) as producer,
        KafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=group,
            enable_auto_commit=False,
            consumer_timeout_ms=20000,
        ) as consumer,
    ):
        if transactional:
            producer.init_transactions()
        consumer.assign([place])
        start = consumer.committed(place) or 0
        consumer.seek(place, start)
        for first in range(start, COUNT, BATCH):
            if transactional:
                producer.begin_transaction()
            for number in range(first, first + BATCH):
                value = next(consumer).value
                producer.send(f"{source}-copy", value, partition=0).get(10)
                if at_half_a_batch and number == 2 * BATCH + BATCH // 2:
                    at_half_a_batch()
            offset = {place: OffsetAndMetadata(first + BATCH, "", -1)}
            if transactional:
                metadata = consumer.group_metadata()
                producer.send_offsets_to_transaction(offset, metadata)
                producer.commit_transaction()
            else:
                consumer.commit(offset)


def old(bootstrap, source, transactional, line):
    """Be the old copier in a process of its own, and say how it ended."""

    def stop():
        line.send("is in the middle of its third batch")
        line.recv()

    end = "copied everything"
    try:
        copy(bootstrap, source, transactional, stop)
    except KafkaError as error:
        end = f"got {type(error).__name__}"
    line.send(end)


def hear(line):
    """Return what the other process says within 30 seconds."""
    if not line.poll(30):
        raise TimeoutError("The old copier says nothing.")
    return line.recv()


def read(bootstrap, topic):
    """Return the number of each record that a read_committed reader gets, in order."""
    with KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        consumer_timeout_ms=2000,
    ) as reader:
        return [int(record.value) for record in reader]


def run(brokers, variant, note):
    """Run one variant."""
    address, source = brokers["kafka"].address, f"orders-{uuid4().hex[:8]}"
    transactional = variant == "transaction"
    fill(address, source)
    context = get_context("spawn")
    line, far_end = context.Pipe()
    arguments = (address, source, transactional, far_end)
    zombie = context.Process(target=old, args=arguments, daemon=True)
    zombie.start()
    note(f"the old copier {hear(line)}")
    os.kill(zombie.pid, signal.SIGSTOP)
    note("the old copier is frozen")
    copy(address, source, transactional)
    note("the new copier has copied the rest")
    os.kill(zombie.pid, signal.SIGCONT)
    with suppress(BrokenPipeError):
        line.send("go on")
    note(f"the old copier wakes up and {hear(line)}")
    zombie.join(30)
    delivered = read(address, f"{source}-copy")
    note("everything was read")
    return Outcome(account(range(COUNT), range(COUNT), delivered))

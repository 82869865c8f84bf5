"""Commit after the batch: a worker that dies in the middle leaves it all to the next.

Watch orders 1 to 3: worker 1 had done them, and worker 2 does them again.
"""

import os
import sys
import time
from multiprocessing import get_context
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer


def send_orders(bootstrap, topic, numbers):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for number in numbers:
            producer.send(topic, str(number).encode()).get(timeout=10)


def work(bootstrap, topic, handled, last, dies_at=None):
    """Handle orders in batches of up to six, until order `last` is done."""
    with KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=f"{topic}-workers",
        auto_offset_reset="earliest",
        enable_auto_commit=False,  # The program says when it is done.
        session_timeout_ms=6000,  # How long the group waits for a silent member.
        max_poll_records=6,
    ) as consumer:
        number, deadline = 0, time.monotonic() + 30
        while number != last and time.monotonic() < deadline:
            for batch in consumer.poll(timeout_ms=500).values():
                for order in batch:
                    number = int(order.value)
                    if number == dies_at:
                        os._exit(1)
                    handled.put(number)
                consumer.commit()


def run_worker(bootstrap, topic, last, dies_at=None):
    """Let a worker work in a process of its own; return the orders that it handled."""
    spawn = get_context("spawn")
    handled = spawn.SimpleQueue()
    args = (bootstrap, topic, handled, last, dies_at)
    process = spawn.Process(target=work, args=args)
    process.start()
    process.join(60)
    return [handled.get() for _ in iter(handled.empty, True)]


def die_in_a_batch(bootstrap, topic, dies_at=4):
    """Let worker 1 die at an order and worker 2 go on; return what each handled."""
    send_orders(bootstrap, topic, range(1, 7))
    one = run_worker(bootstrap, topic, 6, dies_at)
    send_orders(bootstrap, topic, range(7, 13))
    return one, run_worker(bootstrap, topic, 12)


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    one, two = die_in_a_batch(bootstrap, topic)
    print(f"worker 1 handled {one} and died")
    print(f"worker 2 handled {two}")
    print(f"lost: {sorted({*range(1, 13)} - {*one, *two})}")
    print(f"done twice: {sorted({*one} & {*two})}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Automatic commit loses the orders that were polled for a thread and are not yet done.

Watch orders 4 to 6: they wait for the thread, and the client has committed them.
"""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer


def send_orders(bootstrap, topic, numbers):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for number in numbers:
            producer.send(topic, str(number).encode()).get(timeout=10)


def pack(number, handled, dies_at):
    time.sleep(0.5)  # Pretends to work.
    if number == dies_at:
        os._exit(1)
    handled.put(number)


def work(bootstrap, topic, handled, last=None, dies_at=None):
    """Poll, and hand each order to a thread, until order `last`."""
    with (
        ThreadPoolExecutor(1) as thread,
        KafkaConsumer(
            topic,
            bootstrap_servers=bootstrap,
            group_id=f"{topic}-workers",
            auto_offset_reset="earliest",
            enable_auto_commit=True,  # This is the default.
            auto_commit_interval_ms=200,  # The default is five seconds.
            session_timeout_ms=6000,  # How long the group waits for a silent member.
        ) as consumer,
    ):
        number, deadline = 0, time.monotonic() + 30
        while number != last and time.monotonic() < deadline:
            for batch in consumer.poll(timeout_ms=100).values():
                for order in batch:
                    number = int(order.value)
                    thread.submit(pack, number, handled, dies_at)


def run_worker(bootstrap, topic, last=None, dies_at=None):
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
    one = run_worker(bootstrap, topic, dies_at=dies_at)
    send_orders(bootstrap, topic, range(7, 13))
    return one, run_worker(bootstrap, topic, last=12)


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    one, two = die_in_a_batch(bootstrap, topic)
    print(f"worker 1 handled {one} and died")
    print(f"worker 2 handled {two}")
    print(f"lost: {sorted({*range(1, 13)} - {*one, *two})}")
    print(f"done twice: {sorted({*one} & {*two})}")


if __name__ == "__main__":
    main(*sys.argv[1:])

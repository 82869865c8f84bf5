"""Lag grows while orders come too fast, and then drains as predicted.

Watch the two divisions: lag by the worker's rate is how late it is, and lag by what
the worker can do beyond what still comes is how long it takes to catch up.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

WORK = 150  # Orders that the worker handles in a second.


def send_orders(bootstrap, topic, calm, over):
    """Send 300 orders a second, and 50 once it is `calm`, until it is `over`."""
    last, due = time.monotonic(), 0
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        while not over.wait(0.01):
            now = time.monotonic()
            due += (now - last) * (50 if calm.is_set() else 300)
            last = now
            for _ in range(int(due)):
                producer.send(topic, b"an order")
                due -= 1


def connect(bootstrap, topic):
    """Return a consumer of the topic's only partition, for the group of the workers."""
    settings = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
    group = {"group_id": f"{topic}-workers", "max_poll_records": 50}
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, **group, **settings)
    consumer.assign([TopicPartition(topic, 0)])
    return consumer


def work(consumer, over):
    """Handle orders until it is `over`, at most fifty at a time, and commit."""
    ready = time.monotonic()
    while not over.is_set():
        count = sum(map(len, consumer.poll(timeout_ms=100).values()))
        # The sleep pretends work, and is shorter after what took too long.
        ready = ready + count / WORK if count else time.monotonic()
        time.sleep(max(0, ready - time.monotonic()))
        consumer.commit()


def lag(watcher):
    """Return how many records the group has not committed, as the broker knows it."""
    (partition,) = watcher.assignment()
    end = watcher.end_offsets([partition])[partition]
    return end - (watcher.committed(partition) or 0)


def wait_for(fact):
    """Return how many seconds it took until `fact()` is true."""
    start = time.monotonic()
    while not fact():
        assert time.monotonic() < start + 30, "It was not so after 30 seconds."
        time.sleep(0.02)
    return time.monotonic() - start


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    calm, over = Event(), Event()
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: {"num_partitions": 1}}, wait_for_metadata=True)
    worker, watcher = connect(bootstrap, topic), connect(bootstrap, topic)
    with worker, watcher, ThreadPoolExecutor() as pool:
        pool.submit(work, worker, over)
        pool.submit(send_orders, bootstrap, topic, calm, over)
        try:
            wait_for(lambda: lag(watcher) >= 450)
            print("300 a second come, 150 are handled: the lag grows to 450")
            print(f"the worker is {450 / WORK:g} seconds late")
            calm.set()
            expected = 450 / (WORK - 50)
            print(f"50 a second come: it should catch up in {expected} seconds")
            took = wait_for(lambda: lag(watcher) < 50)
            print("it did, within a factor of two:", 0.5 < took / expected < 2)
        finally:
            over.set()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""An alert on the age of the oldest waiting order knows a burst from a stuck worker.

Watch the alert on the count: it wakes somebody for a burst that is gone a moment later,
and sleeps while twenty orders wait for a worker that hangs.
"""

import sys
import time
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

COUNT, AGE = 100, 5  # Records and seconds above which the alerts fire.


def send_orders(bootstrap, topic, count):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for number in range(1, count + 1):
            producer.send(topic, f"order {number}".encode())


def connect(bootstrap, topic):
    """Return a consumer of the topic's only partition, for the group of the workers."""
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=f"{topic}-workers",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_poll_records=30,
    )
    consumer.assign([TopicPartition(topic, 0)])
    return consumer


def lag(watcher, partition):
    """Return how many records wait, and the age of the oldest of them in seconds."""
    end = watcher.end_offsets([partition])[partition]
    oldest = watcher.committed(partition) or 0
    if oldest == end:
        return 0, 0
    watcher.seek(partition, oldest)
    record = watcher.poll(timeout_ms=10000)[partition][0]
    return end - oldest, time.time() - record.timestamp / 1000


def watch(watcher, partition, meanwhile, over):
    """Look at the lag until it is `over`; return which of the two alerts fired."""
    fired, deadline = {"count": False, "age": False}, time.monotonic() + 60
    while time.monotonic() < deadline:
        count, age = lag(watcher, partition)
        fired["count"] |= count > COUNT
        fired["age"] |= age > AGE
        if over(count, age):
            return fired
        meanwhile()
    raise TimeoutError("The lag did not become what was expected.")


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    partition = TopicPartition(topic, 0)
    with connect(bootstrap, topic) as worker, connect(bootstrap, topic) as watcher:

        def handle_some():
            worker.poll(timeout_ms=1000)
            worker.commit()

        def hang():
            time.sleep(0.1)

        send_orders(bootstrap, topic, 300)
        fired = watch(watcher, partition, handle_some, lambda count, age: not count)
        print(f"a burst of 300, handled at once: {fired}")
        send_orders(bootstrap, topic, 20)
        fired = watch(watcher, partition, hang, lambda count, age: age > AGE + 1)
        print(f"20 orders and a worker that hangs: {fired}")


if __name__ == "__main__":
    main(*sys.argv[1:])

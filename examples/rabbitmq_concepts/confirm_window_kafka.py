"""Send on without waiting, as long as less than a window of orders is unacknowledged.

Watch the order of the records: with five requests on their way it is that of the sends.
"""

import sys
import time
from collections import deque
from itertools import islice
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import MessageSizeTooLargeError

COUNT = 2000
KIB = 1024


def create(bootstrap, topic):
    """Create a topic that refuses the last of the orders."""
    refusing = {"configs": {"max.message.bytes": str(50 * KIB)}}
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: refusing}, wait_for_metadata=True)


def make_orders(count):
    """Yield orders of 1 KiB, and a last one of 100 KiB."""
    for number in range(1, count + 1):
        yield f"order {number}".ljust(KIB if number < count else 100 * KIB).encode()


def send_orders(bootstrap, topic, count, window):
    """Send with at most `window` orders unacknowledged; return the refused."""
    unacknowledged, refused = deque(), []

    def wait_for_oldest():
        order, answer = unacknowledged.popleft()
        try:
            answer.get(timeout=10)
        except MessageSizeTooLargeError:
            refused.append(order.decode().rstrip())

    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for order in make_orders(count):
            if len(unacknowledged) == window:
                wait_for_oldest()
            unacknowledged.append((order, producer.send(topic, order)))
        while unacknowledged:
            wait_for_oldest()
    return refused


def receive(bootstrap, topic, count):
    """Return `count` orders, or fewer if none has come for five seconds."""
    with KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=5000,
    ) as consumer:
        return [record.value for record in islice(consumer, count)]


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    seconds = {}
    for window in (1, 500):
        name = f"{topic}-{window}"
        create(bootstrap, name)
        begin = time.monotonic()
        refused = send_orders(bootstrap, name, COUNT, window)
        seconds[window] = time.monotonic() - begin
        print(f"window of {window}: sent {COUNT}, refused {refused}")
        kept = receive(bootstrap, name, COUNT - 1) == list(make_orders(COUNT))[:-1]
        print(f"  the others are there in the order of the sends: {kept}")
    twice = seconds[1] > 2 * seconds[500]
    print(f"the window of 500 is at least twice as fast as that of 1: {twice}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A sender that waits for each answer does not send while the broker stands still.

Watch the same stall of one second: only who counts from the planned time sees it.
"""

import math
import sys
import time
from threading import Thread
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

RATE, COUNT = 50, 250  # Orders a second, and in all.


def send_by_the_clock(bootstrap, topic, rate, count, closed, on_begin):
    """Send an order each 1/`rate` seconds and receive it; return seconds of waiting.

    They are counted from when an order was sent, and from when it was to be sent. With
    `closed` an order is not sent before the one before it has come.
    """
    since_sent, since_planned, sent = [], [], []
    with (
        KafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer,
        KafkaConsumer(bootstrap_servers=bootstrap, fetch_max_wait_ms=50) as consumer,
    ):
        producer.send(topic, b"the first order connects").get(timeout=10)
        consumer.assign([TopicPartition(topic, 0)])
        consumer.seek_to_beginning()
        consumer.poll(timeout_ms=10000)
        begin = time.monotonic()
        on_begin()
        while len(since_sent) < count:
            due = min(int((time.monotonic() - begin) * rate) + 1, count)
            if closed:
                due = min(due, len(since_sent) + 1)
            for number in range(len(sent), due):
                sent.append(time.monotonic())
                producer.send(topic, str(number).encode())
            wait = max(begin + len(sent) / rate - time.monotonic(), 0.001)
            for records in consumer.poll(timeout_ms=1000 * wait).values():
                now = time.monotonic()
                for record in records:
                    number = int(record.value)
                    since_sent.append(now - sent[number])
                    since_planned.append(now - begin - number / rate)
            if time.monotonic() > begin + count / rate + 60:
                raise TimeoutError("The orders do not come.")
    return since_sent, since_planned


def freeze(broker):
    """Let the broker stand still for a second, a second from now."""
    time.sleep(1)
    broker.pause()
    time.sleep(1)
    broker.resume()


def percentile(seconds, share):
    """Return what `share` percent of the waits do not exceed."""
    return sorted(seconds)[math.ceil(len(seconds) * share / 100) - 1]


def main(broker, topic=f"orders-{uuid4().hex[:8]}"):
    for closed in (True, False):
        print("each after the answer" if closed else "each by the clock")
        stall = Thread(target=freeze, args=[broker])
        place = broker.address, f"{topic}-{closed}"
        waits = send_by_the_clock(*place, RATE, COUNT, closed, stall.start)
        stall.join()
        for name, seconds in zip(("sent", "planned"), waits, strict=True):
            print(f"  from when it was {name}:")
            print(f"    the longest wait is over 0.8 s: {max(seconds) > 0.8}")
            print(f"    95 of 100 waited under 0.4 s: {percentile(seconds, 95) < 0.4}")


if __name__ == "__main__":
    main(*sys.argv[1:])

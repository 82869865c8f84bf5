"""An order that waits for its retry is overtaken by the next one of its customer.

Watch Ann's orders: they stay in line if whatever comes behind a waiting one waits too.
"""

import sys
import time
from collections import Counter, defaultdict
from uuid import uuid4

# A consumer of kafka-python 3.0.12 can lose sight of a partition that was paused.
from confluent_kafka import Consumer, KafkaException, TopicPartition
from kafka import KafkaAdminClient, KafkaProducer

ORDERS = ["ann 1", "ann 2", "bob 1", "ann 3"]
FAILURES = {"ann 1": 2}  # How often each fails; the others never do.
DELAY = 0.5  # Seconds.


def handle(order, lines, failures, in_line):
    """Handle an order if it is its turn; tell whether it is done, or is to wait."""
    line = lines[order.split()[0]]  # What of this customer is not done yet.
    if order not in line:
        line.append(order)
    if in_line and line[0] != order:
        return False
    if failures[order]:
        failures[order] -= 1
        return False
    line.remove(order)
    return True


def receive(consumer):
    """Yield records, those of the retry topic when they are due."""
    waiting, deadline = [], time.monotonic() + 60
    while time.monotonic() < deadline:
        if record := consumer.poll(0.02):
            if record.error():
                raise KafkaException(record.error())
            waiting.append(record)
        for record in list(waiting):
            partition = [TopicPartition(record.topic(), record.partition())]
            delay = DELAY if record.topic().endswith("-retry") else 0
            _, milliseconds = record.timestamp()
            if time.time() < milliseconds / 1000 + delay:
                consumer.pause(partition)
            else:
                yield record
                waiting.remove(record)
                consumer.resume(partition)
    raise TimeoutError("The orders were not done within a minute.")


def work(bootstrap, topic, in_line):
    """Send and handle all orders; return them as they were done."""
    topics, done = [topic, f"{topic}-retry"], []
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics(topics, wait_for_metadata=True)
    start = {"auto.offset.reset": "earliest", "enable.auto.commit": False}
    group = {"group.id": f"{topic}-workers", **start}
    with (
        KafkaProducer(bootstrap_servers=bootstrap) as producer,
        Consumer({"bootstrap.servers": bootstrap, **group}) as consumer,
    ):
        consumer.subscribe(topics)
        for order in ORDERS:
            producer.send(topic, order.encode()).get(timeout=10)
        lines, failures = defaultdict(list), Counter(FAILURES)
        for record in receive(consumer):
            order = record.value().decode()
            if handle(order, lines, failures, in_line):
                done.append(order)
            else:
                producer.send(f"{topic}-retry", order.encode()).get(timeout=10)
            consumer.commit(record, asynchronous=False)
            if len(done) == len(ORDERS):
                return done


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    print(f"each alone: {work(bootstrap, f'{topic}-alone', in_line=False)}")
    print(f"in line: {work(bootstrap, f'{topic}-in-line', in_line=True)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

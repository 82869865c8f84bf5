"""What fails waits longer each time, in a topic per delay whose partition is paused.

Watch order 2: it is done at once while order 1 waits, which ends as a dead letter.
"""

import sys
import time
from uuid import uuid4

# A consumer of kafka-python 3.0.12 can lose sight of a partition that was paused.
from confluent_kafka import Consumer, KafkaException, TopicPartition
from kafka import KafkaAdminClient, KafkaProducer

DELAYS = (0.2, 0.5, 1.5)  # Seconds before the second, third and fourth attempt.
FAILURES = {"order 1": 9, "order 2": 0, "order 3": 2}


def put_off(producer, topic, order, attempt):
    """Send an order to wait for its next attempt, or to the dead letters."""
    last = attempt > len(DELAYS)
    due = time.time() + (0 if last else DELAYS[attempt - 1])
    headers = [("attempts", b"%d" % attempt), ("not-before", b"%f" % due)]
    target = f"{topic}-dead" if last else f"{topic}-retry-{attempt}"
    producer.send(target, order.encode(), headers=headers).get(timeout=10)
    return "dead" if last else "put off"


def join(bootstrap, group, topics):
    """Return a consumer that takes the topics from their beginning."""
    start = {"auto.offset.reset": "earliest", "enable.auto.commit": False}
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, **start})
    consumer.subscribe(topics)
    return consumer


def receive(consumer):
    """Yield each record when it is due, and the next of its partition after that."""
    waiting, deadline = [], time.monotonic() + 60
    while time.monotonic() < deadline:
        if record := consumer.poll(0.02):
            if record.error():
                raise KafkaException(record.error())
            waiting.append(record)
        for record in list(waiting):
            partition = [TopicPartition(record.topic(), record.partition())]
            due = float(dict(record.headers() or []).get("not-before", 0))
            if time.time() < due:
                consumer.pause(partition)  # What is behind it is due no sooner.
            else:
                yield record
                waiting.remove(record)
                consumer.resume(partition)
    raise TimeoutError("The orders were not finished within a minute.")


def work(consumer, producer, topic):
    """Handle orders until each is done or dead; return what happened, and the waits."""
    events, failed, waits = [], {}, []
    for record in receive(consumer):
        order, headers = record.value().decode(), dict(record.headers() or [])
        attempt = int(headers.get("attempts", 0)) + 1
        if attempt > 1:
            waits.append((time.monotonic() - failed[order], DELAYS[attempt - 2]))
        outcome = "done"
        if attempt <= FAILURES[order]:
            failed[order] = time.monotonic()
            outcome = put_off(producer, topic, order, attempt)  # Acknowledged, then
        consumer.commit(record, asynchronous=False)  # committed: never lost in between.
        events.append((order, attempt, outcome))
        if sum(event[2] != "put off" for event in events) == len(FAILURES):
            return events, waits


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    topics = [topic, *(f"{topic}-retry-{each}" for each in (1, 2, 3))]
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics([*topics, f"{topic}-dead"], wait_for_metadata=True)
    with (
        KafkaProducer(bootstrap_servers=bootstrap) as producer,
        join(bootstrap, f"{topic}-workers", topics) as worker,
        join(bootstrap, f"{topic}-undertakers", [f"{topic}-dead"]) as undertaker,
    ):
        for order in FAILURES:
            producer.send(topic, order.encode()).get(timeout=10)
        events, waits = work(worker, producer, topic)
        letter = next(receive(undertaker))
    for order in FAILURES:
        print(f"{order}: {[event[1:] for event in events if event[0] == order]}")
    print(f"finished: {[event[0] for event in events if event[2] != 'put off']}")
    print(f"too early: {sum(wait < delay - 0.01 for wait, delay in waits)}")
    attempts = dict(letter.headers())["attempts"].decode()
    print(f"dead letter: {letter.value().decode()}, attempts: {attempts}")


if __name__ == "__main__":
    main(*sys.argv[1:])

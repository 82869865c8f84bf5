"""A sink of Kafka Connect stops at a record that it cannot read, or puts it aside.

Watch order 1: it can be read, and by default it is not written because of order 2.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from urllib.request import Request, urlopen
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer

ORDERS = [b'"order 1: a lamp"', b"order 2, not JSON", b'"order 3: a chair"']
SHOWN = ["partition", "offset", "stage", "exception.class.name"]


def sink(topic, file):
    """Return how to make a line of each record, whose value must be JSON."""
    return {
        "connector.class": "FileStreamSink",
        "topics": topic,
        "file": str(file),
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "false",
    }


def dead_letters(topic):
    """Return how to go on after a bad record, and to put it into another topic."""
    return {
        "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": topic,
        "errors.deadletterqueue.topic.replication.factor": "1",
        "errors.deadletterqueue.context.headers.enable": "true",
    }


def ask(method, url, body=None):
    """Return the answer of Connect's REST API."""
    data = json.dumps(body).encode() if body else None
    headers = {"Content-Type": "application/json"}
    with urlopen(Request(url, data, headers, method=method), timeout=30) as answer:
        return json.loads(answer.read() or "null")


def tasks(connector):
    return [each["state"] for each in ask("GET", f"{connector}/status")["tasks"]]


def wait_until(fact):
    deadline = time.monotonic() + 30
    while not fact():
        if time.monotonic() > deadline:
            raise TimeoutError("Connect has not done it within 30 seconds.")
        time.sleep(0.05)


def receive(bootstrap, topic):
    """Return the topic's first record."""
    settings = {"auto_offset_reset": "earliest", "consumer_timeout_ms": 10000}
    with KafkaConsumer(topic, bootstrap_servers=bootstrap, **settings) as consumer:
        return next(consumer)


def main(
    bootstrap="localhost:9092",
    connect="http://localhost:8083",
    topic=f"orders-{uuid4().hex[:8]}",
):
    connector, dead = f"{connect}/connectors/{topic}", f"{topic}-dead"
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for order in ORDERS:
            producer.send(topic, order).get(timeout=10)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "orders.txt")
        ask("PUT", f"{connector}/config", sink(topic, file))
        wait_until(lambda: tasks(connector) == ["FAILED"])
        print(
            f"by default: {tasks(connector)}, written: {file.read_text().splitlines()}"
        )
        ask("PUT", f"{connector}/config", sink(topic, file) | dead_letters(dead))
        wait_until(lambda: file.read_text().count("\n") == 2)
        letter = receive(bootstrap, dead)
        print(f"then: {tasks(connector)}, written: {file.read_text().splitlines()}")
        ask("DELETE", connector)
    print(f"dead letter: {letter.value}")
    context = dict(letter.headers)
    for name in SHOWN:
        print(f"  {name}: {context[f'__connect.errors.{name}'].decode()}")


if __name__ == "__main__":
    main(*sys.argv[1:])

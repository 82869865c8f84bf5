"""Kafka Connect copies the lines of a file into a topic, and the topic into a file.

Watch what does it: two configurations, sent to a worker. No code here copies anything.
"""

import json
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from urllib.request import Request, urlopen
from uuid import uuid4

from kafka import KafkaConsumer


def source(file, topic):
    """Return how to make a record of each line; a transform wraps it into a map."""
    return {
        "connector.class": "FileStreamSource",
        "file": str(file),
        "topic": topic,
        "transforms": "wrap",
        "transforms.wrap.type": "org.apache.kafka.connect.transforms.HoistField$Value",
        "transforms.wrap.field": "order",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "false",
    }


def sink(topic, file):
    """Return how to make a line of each record, whose bytes are taken for text."""
    return {
        "connector.class": "FileStreamSink",
        "topics": topic,
        "file": str(file),
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    }


def ask(method, url, body=None):
    """Return the answer of Connect's REST API."""
    data = json.dumps(body).encode() if body else None
    headers = {"Content-Type": "application/json"}
    with urlopen(Request(url, data, headers, method=method), timeout=30) as answer:
        return json.loads(answer.read() or "null")


def receive(bootstrap, topic, count):
    settings = {"auto_offset_reset": "earliest", "consumer_timeout_ms": 10000}
    with KafkaConsumer(topic, bootstrap_servers=bootstrap, **settings) as consumer:
        return [record.value.decode() for record in islice(consumer, count)]


def read(file, count):
    """Return the lines of the file when there are `count`."""
    deadline = time.monotonic() + 30
    while not file.exists() or file.read_text().count("\n") < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"Connect has not written {count} lines.")
        time.sleep(0.05)
    return file.read_text().splitlines()


def main(
    bootstrap="localhost:9092",
    connect="http://localhost:8083",
    topic=f"orders-{uuid4().hex[:8]}",
):
    into, out = (f"{connect}/connectors/{topic}-{name}" for name in ("source", "sink"))
    with tempfile.TemporaryDirectory() as folder:
        orders, copy = Path(folder, "orders.txt"), Path(folder, "copy.txt")
        orders.write_text("order 1: a lamp\norder 2: two books\n")
        ask("PUT", f"{into}/config", source(orders, topic))
        print("in the topic:", *receive(bootstrap, topic, 2), sep="\n  ")
        ask("PUT", f"{out}/config", sink(topic, copy))
        with orders.open("a") as file:
            file.write("order 3: a chair\n")
        print("in the other file:", *read(copy, 3), sep="\n  ")
        for connector in (into, out):
            status = ask("GET", f"{connector}/status")
            print(f"{status['type']}: {status['tasks'][0]['state']}")
            ask("DELETE", connector)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Commit the order, then publish its event: killed between the two, the event is lost.

Watch order 2: the database has it for good, and nobody will ever hear of it.
"""

import os
import signal
import sqlite3
import sys
from multiprocessing import get_context
from tempfile import TemporaryDirectory
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer


def place_order(bootstrap, topic, file, number, dies=False):
    """Write the order to the database, and then its event to the broker."""
    shop = sqlite3.connect(file)
    shop.execute("INSERT INTO orders VALUES (?)", [number])
    shop.commit()
    shop.close()
    if dies:
        os.kill(os.getpid(), signal.SIGKILL)
    with KafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        producer.send(topic, str(number).encode()).get(timeout=10)


def run_service(*arguments):
    """Place an order in a process of its own; return the exit code."""
    service = get_context("spawn").Process(target=place_order, args=arguments)
    service.start()
    service.join(60)
    return service.exitcode


def receive(bootstrap, topic):
    """Return every event in the topic, until none has come for two seconds."""
    with KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=2000,
    ) as consumer:
        return [int(record.value) for record in consumer]


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    with TemporaryDirectory() as folder:
        shop = sqlite3.connect(file := f"{folder}/shop.db")
        shop.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        for number, dies in (1, False), (2, True), (3, False):
            code = run_service(bootstrap, topic, file, number, dies)
            print(f"order {number}: the service ends with {code}")
        orders = [each for (each,) in shop.execute("SELECT id FROM orders")]
        shop.close()
    events = receive(bootstrap, topic)
    print(f"orders in the database: {orders}")
    print(f"events received: {events}")
    print(f"lost: {sorted({*orders} - {*events})}")


if __name__ == "__main__":
    main(*sys.argv[1:])

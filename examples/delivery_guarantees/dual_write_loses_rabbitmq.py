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

import pika


def place_order(url, queue, file, number, dies=False):
    """Write the order to the database, and then its event to the broker."""
    shop = sqlite3.connect(file)
    shop.execute("INSERT INTO orders VALUES (?)", [number])
    shop.commit()
    shop.close()
    if dies:
        os.kill(os.getpid(), signal.SIGKILL)
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        channel.basic_publish("", queue, str(number).encode())


def run_service(*arguments):
    """Place an order in a process of its own; return the exit code."""
    service = get_context("spawn").Process(target=place_order, args=arguments)
    service.start()
    service.join(60)
    return service.exitcode


def receive(url, queue):
    """Return every event in the queue, until none has come for two seconds."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        events = connection.channel().consume(queue, True, inactivity_timeout=2)
        received = iter(events.__next__, (None, None, None))
        return [int(body) for _, _, body in received]


def main(url="amqp://guest:guest@localhost:5672/", queue=f"orders-{uuid4().hex[:8]}"):
    with TemporaryDirectory() as folder:
        shop = sqlite3.connect(file := f"{folder}/shop.db")
        shop.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        for number, dies in (1, False), (2, True), (3, False):
            code = run_service(url, queue, file, number, dies)
            print(f"order {number}: the service ends with {code}")
        orders = [each for (each,) in shop.execute("SELECT id FROM orders")]
        shop.close()
    events = receive(url, queue)
    print(f"orders in the database: {orders}")
    print(f"events received: {events}")
    print(f"lost: {sorted({*orders} - {*events})}")


if __name__ == "__main__":
    main(*sys.argv[1:])

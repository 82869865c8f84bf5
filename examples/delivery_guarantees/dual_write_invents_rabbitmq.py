"""Publish the event, then commit the order: it may announce what never comes to be.

Watch order 2, whose service is killed between the two, and order 3, which the database
refuses because its coupon is used up: both were announced.
"""

import os
import signal
import sqlite3
import sys
from multiprocessing import get_context
from tempfile import TemporaryDirectory
from uuid import uuid4

import pika


def place_order(url, queue, file, number, coupon, dies=False):
    """Write the event to the broker, and then the order to the database."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        channel.basic_publish("", queue, str(number).encode())
    if dies:
        os.kill(os.getpid(), signal.SIGKILL)
    shop = sqlite3.connect(file)
    shop.execute("INSERT INTO orders VALUES (?, ?)", [number, coupon])
    shop.commit()
    shop.close()


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
        shop.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, coupon UNIQUE)")
        for number, coupon, dies in (1, "ten off", False), (2, "gift", True):
            code = run_service(url, queue, file, number, coupon, dies)
            print(f"order {number}: the service ends with {code}")
        try:
            place_order(url, queue, file, 3, "ten off")
        except sqlite3.IntegrityError as error:
            print(f"order 3: {error}")
        orders = [each for (each,) in shop.execute("SELECT id FROM orders")]
        shop.close()
    events = receive(url, queue)
    print(f"orders in the database: {orders}")
    print(f"events received: {events}")
    print(f"invented: {sorted({*events} - {*orders})}")


if __name__ == "__main__":
    main(*sys.argv[1:])

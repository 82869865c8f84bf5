"""The event's id is committed with its effect, so that a repetition is recognised.

Watch event 3, which was done by a consumer that died before it could say so, and event
4, which was published twice: each has one shipment.
"""

import os
import signal
import sqlite3
import sys
from multiprocessing import get_context
from tempfile import TemporaryDirectory
from uuid import uuid4

import pika

TABLES = """CREATE TABLE inbox (id TEXT PRIMARY KEY);
CREATE TABLE shipments (event TEXT);"""


def publish(url, queue, ids):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        for each in ids:
            channel.basic_publish("", queue, each.encode())


def ship_once(warehouse, event):
    """Ship and remember the event, without a commit; return False if it is known."""
    known = "INSERT INTO inbox VALUES (?) ON CONFLICT DO NOTHING"
    if not warehouse.execute(known, [event]).rowcount:
        return False
    warehouse.execute("INSERT INTO shipments VALUES (?)", [event])
    return True


def consume(url, queue, file, told, count, dies=""):
    """Handle `count` events; die at the last, before or after its commit."""
    warehouse = sqlite3.connect(file)
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)
        events = channel.consume(queue, inactivity_timeout=30)
        for number in range(1, count + 1):
            method, _, body = next(events)
            event = body.decode()
            told.put(f"{event} {'new' if ship_once(warehouse, event) else 'known'}")
            if dies == "before the commit" and number == count:
                os.kill(os.getpid(), signal.SIGKILL)
            warehouse.commit()
            if dies == "after the commit" and number == count:
                os.kill(os.getpid(), signal.SIGKILL)
            channel.basic_ack(method.delivery_tag)
    warehouse.close()


def run_consumer(url, queue, file, count, dies=""):
    """Run a consumer in a process of its own; return what it told of each event."""
    spawn = get_context("spawn")
    told = spawn.SimpleQueue()
    arguments = (url, queue, file, told, count, dies)
    process = spawn.Process(target=consume, args=arguments)
    process.start()
    process.join(60)
    return [told.get() for _ in iter(told.empty, True)]


def main(url="amqp://guest:guest@localhost:5672/", queue=f"orders-{uuid4().hex[:8]}"):
    publish(url, queue, ["1", "2", "3", "4", "4"])
    with TemporaryDirectory() as folder:
        warehouse = sqlite3.connect(file := f"{folder}/warehouse.db")
        warehouse.executescript(TABLES)
        for count, dies in (2, "before the commit"), (2, "after the commit"), (3, ""):
            told = run_consumer(url, queue, file, count, dies)
            print(f"{', '.join(told)}: {f'killed {dies}' if dies else 'done'}")
        shipments = warehouse.execute("SELECT event FROM shipments").fetchall()
        warehouse.close()
    print(f"shipments: {[int(event) for (event,) in shipments]}")


if __name__ == "__main__":
    main(*sys.argv[1:])

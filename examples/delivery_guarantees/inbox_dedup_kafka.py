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

from kafka import KafkaConsumer, KafkaProducer

TABLES = """CREATE TABLE inbox (id TEXT PRIMARY KEY);
CREATE TABLE shipments (event TEXT);"""


def publish(bootstrap, topic, ids):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for each in ids:
            producer.send(topic, each.encode()).get(timeout=10)


def ship_once(warehouse, event):
    """Ship and remember the event, without a commit; return False if it is known."""
    known = "INSERT INTO inbox VALUES (?) ON CONFLICT DO NOTHING"
    if not warehouse.execute(known, [event]).rowcount:
        return False
    warehouse.execute("INSERT INTO shipments VALUES (?)", [event])
    return True


def consume(bootstrap, topic, file, told, count, dies=""):
    """Handle `count` events; die at the last, before or after its commit."""
    warehouse = sqlite3.connect(file)
    with KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=f"{topic}-warehouse",
        group_instance_id="1",  # The next process takes over at once.
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        consumer_timeout_ms=30000,
    ) as events:
        for number in range(1, count + 1):
            event = next(events).value.decode()
            told.put(f"{event} {'new' if ship_once(warehouse, event) else 'known'}")
            if dies == "before the commit" and number == count:
                os.kill(os.getpid(), signal.SIGKILL)
            warehouse.commit()
            if dies == "after the commit" and number == count:
                os.kill(os.getpid(), signal.SIGKILL)
            events.commit()
    warehouse.close()


def run_consumer(bootstrap, topic, file, count, dies=""):
    """Run a consumer in a process of its own; return what it told of each event."""
    spawn = get_context("spawn")
    told = spawn.SimpleQueue()
    arguments = (bootstrap, topic, file, told, count, dies)
    process = spawn.Process(target=consume, args=arguments)
    process.start()
    process.join(60)
    return [told.get() for _ in iter(told.empty, True)]


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    publish(bootstrap, topic, ["1", "2", "3", "4", "4"])
    with TemporaryDirectory() as folder:
        warehouse = sqlite3.connect(file := f"{folder}/warehouse.db")
        warehouse.executescript(TABLES)
        for count, dies in (2, "before the commit"), (2, "after the commit"), (3, ""):
            told = run_consumer(bootstrap, topic, file, count, dies)
            print(f"{', '.join(told)}: {f'killed {dies}' if dies else 'done'}")
        shipments = warehouse.execute("SELECT event FROM shipments").fetchall()
        warehouse.close()
    print(f"shipments: {[int(event) for (event,) in shipments]}")


if __name__ == "__main__":
    main(*sys.argv[1:])

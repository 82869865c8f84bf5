"""The order and its event are one commit, and a relay publishes what was committed.

Watch the kills: order 2 leaves neither an order nor an event, order 3 comes once, and
order 4 comes twice with the same id.
"""

import os
import signal
import sqlite3
import sys
from multiprocessing import get_context
from tempfile import TemporaryDirectory
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer

# Without AUTOINCREMENT the id of a deleted row would be given to a new one.
TABLES = """PRAGMA journal_mode = WAL;
CREATE TABLE orders (id INTEGER PRIMARY KEY);
CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, order_id INTEGER);"""


def place_order(file, number, dies=""):
    """Write the order and its event to the database in one transaction."""
    shop = sqlite3.connect(file)
    shop.execute("INSERT INTO orders VALUES (?)", [number])
    shop.execute("INSERT INTO outbox (order_id) VALUES (?)", [number])
    if dies == "before the commit":
        os.kill(os.getpid(), signal.SIGKILL)
    shop.commit()
    shop.close()


def relay(bootstrap, topic, file, dies=""):
    """Publish what is in the outbox, in its order; a real one does this for ever."""
    shop = sqlite3.connect(file)
    with KafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        rows = shop.execute("SELECT id, order_id FROM outbox ORDER BY id")
        for row, number in rows.fetchall():
            if dies == "before it publishes":
                os.kill(os.getpid(), signal.SIGKILL)
            headers = [("id", str(row).encode())]
            producer.send(topic, str(number).encode(), headers=headers).get(timeout=10)
            if dies == "after it published":
                os.kill(os.getpid(), signal.SIGKILL)
            shop.execute("DELETE FROM outbox WHERE id = ?", [row])
            shop.commit()
    shop.close()


def kill(function, *arguments):
    """Run a function in a process that is killed on the way; return the exit code."""
    process = get_context("spawn").Process(target=function, args=arguments)
    process.start()
    process.join(60)
    return process.exitcode


def receive(bootstrap, topic):
    """Return the id and the order of each event, until none comes for two seconds."""
    settings = {"auto_offset_reset": "earliest", "consumer_timeout_ms": 2000}
    with KafkaConsumer(topic, bootstrap_servers=bootstrap, **settings) as events:
        return [(int(dict(each.headers)["id"]), int(each.value)) for each in events]


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    with TemporaryDirectory() as folder:
        file = f"{folder}/shop.db"  # Stands for a database server.
        shop = sqlite3.connect(file)
        shop.executescript(TABLES)
        place_order(file, 1)
        codes = [kill(place_order, file, 2, "before the commit")]
        relay(bootstrap, topic, file)
        for number, dies in (3, "before it publishes"), (4, "after it published"):
            place_order(file, number)
            codes.append(kill(relay, bootstrap, topic, file, dies))
            relay(bootstrap, topic, file)
        orders = [each for (each,) in shop.execute("SELECT id FROM orders")]
        shop.close()
    events = receive(bootstrap, topic)
    print(f"exit codes of the killed: {codes}")
    print(f"orders in the database: {orders}")
    print(f"events, id and order: {events}")
    print(f"without repeated ids: {list(dict(events).values())}")


if __name__ == "__main__":
    main(*sys.argv[1:])

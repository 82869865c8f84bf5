"""A semantic lock: what a saga may still undo is marked, and others wait for its end.

Watch order 2: the last piece is only pending, so it waits, and gets it in the end.
"""

import sqlite3
import sys
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer

TABLES = """
    CREATE TABLE pieces (holder, state); INSERT INTO pieces VALUES (NULL, 'free');
    CREATE TABLE waiting (number);
"""
ENDS = {"release": ("released", "free"), "sell": ("sold", "sold")}


def reserve(base, number):
    """Lock a free piece for an order; wait for one that may become free again."""
    free = "SELECT min(rowid) FROM pieces WHERE state = 'free'"
    lock = f"UPDATE pieces SET holder = ?, state = 'pending' WHERE rowid = ({free})"
    if base.execute(lock, [number]).rowcount:
        return [f"order {number}: reserved"]
    if base.execute("SELECT 1 FROM pieces WHERE state = 'pending'").fetchone():
        base.execute("INSERT INTO waiting VALUES (?)", [number])
        return [f"order {number}: waits"]
    return [f"order {number}: sold out"]


def end(base, number, command):
    """End an order's saga, undone or done; ask again for those who waited for that."""
    answer, state = ENDS[command]
    unlock = "UPDATE pieces SET state = ? WHERE holder = ? AND state = 'pending'"
    base.execute(unlock, [state, number])
    waiting = base.execute("SELECT number FROM waiting ORDER BY rowid").fetchall()
    base.execute("DELETE FROM waiting")
    again = [each for (one,) in waiting for each in reserve(base, one)]
    return [f"order {number}: {answer}", *again]


def handle(base, message):
    """Do a command such as "reserve 1" in one transaction; return the answers."""
    command, number = message.split()
    with base:
        if command == "reserve":
            return reserve(base, int(number))
        return end(base, int(number), command)


def serve(bootstrap, topic, base, commands):
    """Send commands to the inventory service, let it do them, and yield its answers."""
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for command in commands:
            producer.send(topic, command.encode()).get(timeout=10)
    with KafkaConsumer(
        topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest"
    ) as consumer:
        while commands and (polled := consumer.poll(timeout_ms=30000)):
            for records in polled.values():
                commands = commands[len(records) :]
                for record in records:
                    yield from handle(base, record.value.decode())


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    base = sqlite3.connect(":memory:")
    base.executescript(TABLES)
    # The card of order 1 is declined after order 2 has asked for the last piece.
    for answer in serve(
        bootstrap, topic, base, ["reserve 1", "reserve 2", "release 1"]
    ):
        print(answer)
    free = "SELECT count(*) FROM pieces WHERE state = 'free'"
    left = base.execute(free).fetchone()[0]
    print(f"pieces that nobody gets: {left}")


if __name__ == "__main__":
    main(*sys.argv[1:])

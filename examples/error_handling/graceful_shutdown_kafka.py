"""A worker that is told to stop finishes its order, commits it and leaves the group.

Watch order 3: after SIGTERM it is done once, and after SIGKILL by both workers.
"""

import os
import signal
import sqlite3
import sys
import time
from itertools import chain
from multiprocessing import get_context
from tempfile import TemporaryDirectory
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer


def work(bootstrap, topic, ledger, line):
    """Do one order after the other, each in the ledger and then committed, until a
    SIGTERM comes; closing the consumer leaves the group.
    """
    told = []
    signal.signal(signal.SIGTERM, lambda *_: told.append("to stop"))
    db = sqlite3.connect(ledger)
    with KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=topic,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=6000,  # How long the group waits for a silent member.
        heartbeat_interval_ms=500,
    ) as consumer:
        consumer.partitions_for_topic(topic)  # Whoever deals them out must know them.
        while not told:
            for order in chain(*consumer.poll(500, max_records=1).values()):
                with db:
                    db.execute("INSERT INTO ledger VALUES (?)", [int(order.value)])
                line.send(int(order.value))
                line.recv()  # The signal comes here, in the middle of an order.
                consumer.commit()


def run(arguments, last, stop):
    """Run a worker in a process of its own and send it the signal `stop` in the middle
    of order `last`; return its exit code.
    """
    here, there = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=work, args=(*arguments, there))
    process.start()
    while here.poll(30) and here.recv() != last:
        here.send("go on")
    os.kill(process.pid, stop)
    here.send("go on")
    process.join(30)
    return process.exitcode


def has_gone(bootstrap, group):
    """Return whether the group has no members, now or within two seconds."""
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        for _ in range(20):
            if not admin.describe_groups([group])[group]["members"]:
                return True
            time.sleep(0.1)
        return False


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    for stop in (signal.SIGTERM, signal.SIGKILL):
        name = f"{topic}-{stop.name}"
        with KafkaProducer(bootstrap_servers=bootstrap) as producer:
            for number in range(1, 7):
                producer.send(name, str(number).encode()).get(timeout=10)
        with TemporaryDirectory() as folder, sqlite3.connect(f"{folder}/db") as db:
            db.execute("CREATE TABLE ledger (number)")
            code = run((bootstrap, name, f"{folder}/db"), 3, stop)
            gone = has_gone(bootstrap, name)
            run((bootstrap, name, f"{folder}/db"), 6, signal.SIGTERM)
            done = [
                number
                for (number,) in db.execute("SELECT * FROM ledger ORDER BY number")
            ]
        print(f"{stop.name} in the middle of order 3: exit code {code}")
        print(f"  done by the two workers: {done}")
        print(f"  worker 1 is gone for the broker within two seconds: {gone}")


if __name__ == "__main__":
    main(*sys.argv[1:])

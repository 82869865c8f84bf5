"""Workers that count an attempt before it begins set aside what killed three of them.

Watch worker 4: it buries order 3 without trying it, and goes on to the others.
"""

import signal
import sqlite3
import sys
from multiprocessing import get_context
from tempfile import TemporaryDirectory
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer, TopicPartition


def count_attempt(db, record):
    """Write down that a record is begun; return how often it was begun before."""
    place = [record.partition, record.offset]
    with db:
        db.execute("INSERT INTO attempts VALUES (?, ?)", place)
    count = "SELECT count(*) FROM attempts WHERE part = ? AND position = ?"
    return db.execute(count, place).fetchone()[0] - 1


def bury(producer, record, attempts):
    """Send a record to the dead letters; wait until all replicas in sync have it."""
    facts = {"dead.offset": record.offset, "dead.attempts": attempts}
    headers = [(name, str(fact).encode()) for name, fact in facts.items()]
    producer.send(f"{record.topic}-dead", record.value, headers=headers).get(10)


def start_worker(bootstrap, topic):
    options = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
    options |= {"bootstrap_servers": bootstrap, "group_id": topic}
    worker = KafkaConsumer(**options, consumer_timeout_ms=20000)
    worker.assign([TopicPartition(topic, 0)])  # A group would wait for the dead.
    return worker


def work(bootstrap, topic, folder, began):
    """Handle each order, or bury it after three attempts, and commit, until order 6."""
    db = sqlite3.connect(f"{folder}/db")
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all")
    with producer, start_worker(bootstrap, topic) as worker:
        for record in worker:
            number, attempts = int(record.value), count_attempt(db, record)
            if attempts >= 3:
                bury(producer, record, attempts)
            else:
                began.put(number)
                if number == 3:
                    signal.raise_signal(signal.SIGKILL)  # As if memory ran out.
            worker.commit()
            if number == 6:
                break


def run(number, *arguments):
    """Run a worker in a process of its own; print what it began and how it ended."""
    spawn = get_context("spawn")
    began = spawn.SimpleQueue()
    process = spawn.Process(target=work, args=(*arguments, began))
    process.start()
    process.join(60)
    orders = [began.get() for _ in iter(began.empty, True)]
    print(f"worker {number} began {orders}, exit code {process.exitcode}")


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for number in range(1, 7):
            producer.send(topic, str(number).encode()).get(timeout=10)
    with TemporaryDirectory() as folder, sqlite3.connect(f"{folder}/db") as db:
        db.execute("CREATE TABLE attempts (part, position)")
        for number in range(1, 5):
            run(number, bootstrap, topic, folder)
    with start_worker(bootstrap, f"{topic}-dead") as reader:
        letter = next(reader)
        print(f"dead letter: order {int(letter.value)}, {dict(letter.headers)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Dead letters go back to their topic at a measured pace, and none of them for ever.

Watch order 3, which comes twice and counts once, and order 5, which fails once more.
"""

import os
import signal
import sqlite3
import sys
import time
from multiprocessing import get_context
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

PAUSE, MOST = 0.1, 1  # Seconds between two letters; how often a letter is replayed.


def follow(bootstrap, topic):
    """Yield what the topic has now, from the last commit on; commit after each."""
    with KafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=f"{topic}-readers",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    ) as consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        end = consumer.end_offsets([partition])[partition]
        while consumer.position(partition) < end:
            for batch in consumer.poll(500, max_records=1).values():
                yield batch[0].value.decode(), dict(batch[0].headers)
                consumer.commit()


def send(bootstrap, topic, orders, replays=0):
    with KafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        for order in orders:
            headers = [("replays", b"%d" % replays)]
            producer.send(topic, order.encode(), headers=headers).get(timeout=10)


def replay(bootstrap, topic, replayed, dies_after=None):
    """Send each dead letter to its topic, or aside if it has been there before."""
    for order, headers in follow(bootstrap, f"{topic}-dead"):
        replays = int(headers["replays"])
        parked = replays == MOST
        target = f"{topic}-parked" if parked else topic
        send(bootstrap, target, [order], replays + (not parked))
        replayed.put(order)
        if order == dies_after:
            os.kill(os.getpid(), signal.SIGKILL)  # Sent, and not committed.
        time.sleep(PAUSE)


def run_replay(bootstrap, topic, dies_after=None):
    """Replay in a process of its own; return what it sent."""
    spawn = get_context("spawn")
    replayed = spawn.SimpleQueue()
    args = (bootstrap, topic, replayed, dies_after)
    process = spawn.Process(target=replay, args=args)
    process.start()
    process.join(60)
    return [replayed.get() for _ in iter(replayed.empty, True)]


def work(bootstrap, topic, database):
    """Handle what is in the topic; return which orders came twice."""
    doubles = []
    for order, headers in follow(bootstrap, topic):
        if order == "order 5":  # This one is still bad.
            send(bootstrap, f"{topic}-dead", [order], int(headers["replays"]))
            continue
        with database:
            sql = "INSERT INTO handled VALUES (?) ON CONFLICT DO NOTHING"
            if not database.execute(sql, [order]).rowcount:
                doubles.append(order)
    return doubles


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE handled (id TEXT PRIMARY KEY)")
    send(bootstrap, f"{topic}-dead", [f"order {number}" for number in range(1, 7)])
    print(f"replayed, then killed: {run_replay(bootstrap, topic, 'order 3')}")
    began = time.monotonic()
    print(f"replayed by the next: {run_replay(bootstrap, topic)}")
    print(f"no faster than the pace: {time.monotonic() - began >= 4 * PAUSE}")
    print(f"came twice: {work(bootstrap, topic, database)}")
    handled = database.execute("SELECT id FROM handled ORDER BY id")
    print(f"handled: {[order for (order,) in handled]}")
    print(f"dead again, sent aside: {run_replay(bootstrap, topic)}")
    parked = follow(bootstrap, f"{topic}-parked")
    print(f"parked: {[(order, int(headers['replays'])) for order, headers in parked]}")


if __name__ == "__main__":
    main(*sys.argv[1:])

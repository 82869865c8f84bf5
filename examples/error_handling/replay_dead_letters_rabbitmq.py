"""Dead letters go back to their queue at a measured pace, and none of them for ever.

Watch order 3, which comes twice and counts once, and order 5, which fails once more.
"""

import os
import signal
import sqlite3
import sys
import time
from multiprocessing import get_context
from uuid import uuid4

import pika

PAUSE, MOST = 0.1, 1  # Seconds between two letters; how often a letter is replayed.


def follow(url, queue):
    """Yield what the queue has now; acknowledge after each."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)
        for method, properties, order in channel.consume(queue, inactivity_timeout=1):
            if method is None:
                return
            yield order.decode(), properties.headers
            channel.basic_ack(method.delivery_tag)


def send(url, queue, orders, replays=0):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        properties = pika.BasicProperties(headers={"replays": replays})
        for order in orders:
            channel.basic_publish("", queue, order.encode(), properties)


def replay(url, queue, replayed, dies_after=None):
    """Send each dead letter to its queue, or aside if it has been there before."""
    for order, headers in follow(url, f"{queue}-dead"):
        replays = int(headers["replays"])
        parked = replays == MOST
        target = f"{queue}-parked" if parked else queue
        send(url, target, [order], replays + (not parked))
        replayed.put(order)
        if order == dies_after:
            os.kill(os.getpid(), signal.SIGKILL)  # Sent, not acknowledged.
        time.sleep(PAUSE)


def run_replay(url, queue, dies_after=None):
    """Replay in a process of its own; return what it sent."""
    spawn = get_context("spawn")
    replayed = spawn.SimpleQueue()
    args = (url, queue, replayed, dies_after)
    process = spawn.Process(target=replay, args=args)
    process.start()
    process.join(60)
    return [replayed.get() for _ in iter(replayed.empty, True)]


def work(url, queue, database):
    """Handle what is in the queue; return which orders came twice."""
    doubles = []
    for order, headers in follow(url, queue):
        if order == "order 5":  # This one is still bad.
            send(url, f"{queue}-dead", [order], int(headers["replays"]))
            continue
        with database:
            sql = "INSERT INTO handled VALUES (?) ON CONFLICT DO NOTHING"
            if not database.execute(sql, [order]).rowcount:
                doubles.append(order)
    return doubles


def main(url="amqp://guest:guest@localhost:5672/", queue=f"orders-{uuid4().hex[:8]}"):
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE handled (id TEXT PRIMARY KEY)")
    send(url, f"{queue}-dead", [f"order {number}" for number in range(1, 7)])
    print(f"replayed, then killed: {run_replay(url, queue, 'order 3')}")
    began = time.monotonic()
    print(f"replayed by the next: {run_replay(url, queue)}")
    print(f"no faster than the pace: {time.monotonic() - began >= 4 * PAUSE}")
    print(f"came twice: {work(url, queue, database)}")
    handled = database.execute("SELECT id FROM handled ORDER BY id")
    print(f"handled: {[order for (order,) in handled]}")
    print(f"dead again, sent aside: {run_replay(url, queue)}")
    parked = follow(url, f"{queue}-parked")
    print(f"parked: {[(order, int(headers['replays'])) for order, headers in parked]}")


if __name__ == "__main__":
    main(*sys.argv[1:])

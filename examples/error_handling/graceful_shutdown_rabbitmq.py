"""A worker that is told to stop finishes its order, acknowledges it and returns others.

Watch order 3: after SIGTERM it is done once, and after SIGKILL by both workers.
"""

import os
import signal
import sqlite3
import sys
from multiprocessing import get_context
from tempfile import TemporaryDirectory
from uuid import uuid4

import pika


def work(url, queue, ledger, line):
    """Do one order after the other, each in the ledger and then acknowledged, until a
    SIGTERM comes; give back what was sent and is not begun.
    """
    told, window = [], []
    signal.signal(signal.SIGTERM, lambda *_: told.append("to stop"))
    db = sqlite3.connect(ledger)
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=3)
        tag = channel.basic_consume(queue, lambda *order: window.append(order))
        while not told:
            connection.sleep(0.2)  # Here orders come into the window.
            if window:
                _, method, _, body = window.pop(0)
                with db:
                    db.execute("INSERT INTO ledger VALUES (?)", [int(body)])
                line.send(int(body))
                line.recv()  # The signal comes here, in the middle of an order.
                if told:
                    channel.basic_cancel(tag)  # Nothing may come for the next ack.
                channel.basic_ack(method.delivery_tag)
        channel.basic_nack(0, multiple=True, requeue=True)  # All that is still held.


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


def has_gone(url, queue):
    """Return whether the queue has no consumer, now or within two seconds."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        for _ in range(20):
            found = connection.channel().queue_declare(queue, passive=True)
            if not found.method.consumer_count:
                return True
            connection.sleep(0.1)
        return False


def main(url="amqp://guest:guest@localhost:5672/", queue=f"orders-{uuid4().hex[:8]}"):
    for stop in (signal.SIGTERM, signal.SIGKILL):
        name = f"{queue}-{stop.name}"
        with pika.BlockingConnection(pika.URLParameters(url)) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            arguments = {"x-queue-type": "quorum"}
            channel.queue_declare(name, durable=True, arguments=arguments)
            for number in range(1, 7):
                channel.basic_publish("", name, str(number).encode())
        with TemporaryDirectory() as folder, sqlite3.connect(f"{folder}/db") as db:
            db.execute("CREATE TABLE ledger (number)")
            code = run((url, name, f"{folder}/db"), 3, stop)
            gone = has_gone(url, name)
            run((url, name, f"{folder}/db"), 6, signal.SIGTERM)
            done = [
                number
                for (number,) in db.execute("SELECT * FROM ledger ORDER BY number")
            ]
        print(f"{stop.name} in the middle of order 3: exit code {code}")
        print(f"  done by the two workers: {done}")
        print(f"  worker 1 is gone for the broker within two seconds: {gone}")


if __name__ == "__main__":
    main(*sys.argv[1:])

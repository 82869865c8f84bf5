"""What a guarantee costs: how many messages share the wait for one answer.

Watch the comparisons: each changes one thing, and nothing else.
"""

import sqlite3
import sys
import time
from functools import partial
from itertools import islice
from tempfile import TemporaryDirectory
from uuid import uuid4

import pika

PERSISTENT = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)


def send(url, queue, window, count=300):
    """Send with at most `window` orders unconfirmed; return the seconds and the waits.

    Without a window no confirm is asked for, and nothing is known of the waits.
    """
    tags = iter(range(1, count + 1))  # The broker counts alike what the channel sends.
    unconfirmed, waits, times = {}, [], []

    def fill(channel):
        times.append(time.monotonic())
        while len(unconfirmed) < (window or 1) and (tag := next(tags, None)):
            channel.basic_publish("", queue, str(tag).encode(), PERSISTENT)
            if window:
                unconfirmed[tag] = time.monotonic()
        if not unconfirmed:
            channel.close()  # The broker answers when it has taken everything.

    def on_confirm(channel, frame):
        last, many = frame.method.delivery_tag, frame.method.multiple
        for tag in [tag for tag in unconfirmed if tag == last or (many and tag < last)]:
            waits.append(time.monotonic() - unconfirmed.pop(tag))
        fill(channel)

    def on_close(channel, _):
        times.append(time.monotonic())
        channel.connection.close()

    def on_channel(channel):
        channel.add_on_close_callback(on_close)
        if window:
            ready = partial(on_confirm, channel), lambda _: fill(channel)
            channel.confirm_delivery(*ready)
        else:
            fill(channel)

    connection = pika.SelectConnection(
        pika.URLParameters(url),
        on_open_callback=lambda opened: opened.channel(on_open_callback=on_channel),
        on_close_callback=lambda closed, _: closed.ioloop.stop(),
    )
    connection.ioloop.call_later(60, connection.ioloop.stop)
    connection.ioloop.start()
    return times[-1] - times[0], waits


def handle(db, numbers, known):
    """Book the orders in one transaction; with `known` no order a second time."""
    with db:
        for number in numbers:
            if known:
                new = db.execute("INSERT OR IGNORE INTO seen VALUES (?)", [number])
                if not new.rowcount:
                    continue
            db.execute("INSERT INTO ledger VALUES (?)", [number])


def open_shop(folder):
    db = sqlite3.connect(f"{folder}/{uuid4().hex}")
    db.execute("CREATE TABLE seen (number UNIQUE)")
    db.execute("CREATE TABLE ledger (number)")
    return db


def receive(url, queue, size, first=False, known=False, count=100):
    """Handle and acknowledge orders in batches of `size`; return the seconds.

    With `first` the broker takes an order for done as soon as it has sent it.
    """
    with (
        TemporaryDirectory() as folder,
        pika.BlockingConnection(pika.URLParameters(url)) as connection,
    ):
        db, channel = open_shop(folder), connection.channel()
        channel.basic_qos(prefetch_count=2 * size)  # Without effect on auto_ack.
        orders = channel.consume(queue, auto_ack=first, inactivity_timeout=20)
        next(orders)  # From here on they come; a later acknowledgement has it as well.
        begin = time.monotonic()
        for _ in range(0, count, size):
            batch = list(islice(orders, size))
            handle(db, [int(body) for _, _, body in batch], known)
            if not first:
                channel.basic_ack(batch[-1][0].delivery_tag, multiple=True)
        return time.monotonic() - begin


def best(action, *args):
    """Return the quickest of three runs: other work on the computer only delays."""
    return min(action(*args) for _ in range(3))


def main(url="amqp://guest:guest@localhost:5672/", queue=f"orders-{uuid4().hex[:8]}"):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        quorum = {"x-queue-type": "quorum"}
        connection.channel().queue_declare(queue, durable=True, arguments=quorum)
    (one, _), (many, _) = (best(send, url, queue, window) for window in (1, 100))
    print(
        f"sent one by one at least 3 times as slow as 100 at a time: {one > 3 * many}"
    )
    one, many = (best(receive, url, queue, size) for size in (1, 50))
    print(f"handled one by one at least 3 times as slow as by 50: {one > 3 * many}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A state is the fold of its events; a fold that begins at a snapshot reads only
the events after the snapshot, and ends in the same state.

Watch the numbers of events folded, and what the stock was on an earlier day.
"""

import json
import sqlite3
import sys
from uuid import uuid4

import pika

TABLE = "CREATE TABLE snapshots (next INTEGER PRIMARY KEY, stock INTEGER)"


def send_events(channel, stream, numbers):
    """Send events of a stock of lamps, 100 a day: 5 come in, 2 go out, and so on."""
    for number in numbers:
        event = {"day": 1 + number // 100, "lamps": -2 if number % 2 else 5}
        channel.basic_publish("", stream, json.dumps(event).encode())


def fold(channel, stream, end, start=0, stock=0, until=sys.maxsize):
    """Fold the events from offset `start` up to offset `end` or to the day `until`.

    Return the stock, the offset after the last of them, and how many there were.
    """
    arguments, next_one = {"x-stream-offset": start}, start
    for method, properties, body in channel.consume(
        stream, arguments=arguments, inactivity_timeout=10
    ):
        event = json.loads(body)
        if event["day"] > until:
            break
        channel.basic_ack(method.delivery_tag)
        stock += event["lamps"]
        next_one = properties.headers["x-stream-offset"] + 1
        if next_one == end:
            break
    channel.cancel()
    return stock, next_one, next_one - start


def main(url="amqp://guest:guest@localhost:5672/", stream=f"stock-{uuid4().hex[:8]}"):
    store = sqlite3.connect(":memory:")
    store.execute(TABLE)
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_qos(prefetch_count=100)  # A stream insists on a limit.
        kind = {"x-queue-type": "stream"}
        channel.queue_declare(stream, durable=True, arguments=kind)
        send_events(channel, stream, range(500))
        stock, after, folded = fold(channel, stream, 500)
        print(f"from the beginning: {stock} lamps, {folded} events folded")
        with store:
            store.execute("INSERT INTO snapshots VALUES (?, ?)", [after, stock])
        send_events(channel, stream, range(500, 520))
        whole, _, folded = fold(channel, stream, 520)
        print(f"from the beginning: {whole} lamps, {folded} events folded")
        snapshot = store.execute(
            "SELECT * FROM snapshots ORDER BY next DESC"
        ).fetchone()
        stock, _, folded = fold(channel, stream, 520, *snapshot)
        print(f"from the snapshot: {stock} lamps, {folded} events folded")
        stock, _, folded = fold(channel, stream, 520, until=2)
        print(f"at the end of day 2: {stock} lamps, {folded} events folded")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A state is the fold of its events; a fold that begins at a snapshot reads only
the events after the snapshot, and ends in the same state.

Watch the numbers of events folded, and what the stock was on an earlier day.
"""

import json
import sqlite3
import sys
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

TABLE = "CREATE TABLE snapshots (next INTEGER PRIMARY KEY, stock INTEGER)"


def send_events(bootstrap, topic, numbers):
    """Send events of a stock of lamps, 100 a day: 5 come in, 2 go out, and so on."""
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for number in numbers:
            event = {"day": 1 + number // 100, "lamps": -2 if number % 2 else 5}
            producer.send(topic, json.dumps(event).encode())
        producer.flush(timeout=10)


def fold(bootstrap, topic, start=0, stock=0, until=sys.maxsize):
    """Fold the events from offset `start` on, up to the end or to the day `until`.

    Return the stock, the offset after the last of them, and how many there were.
    """
    partition = TopicPartition(topic, 0)
    with KafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        consumer.assign([partition])
        consumer.seek(partition, start)
        end = consumer.end_offsets([partition])[partition]
        next_one = start
        while next_one < end:
            for record in consumer.poll(timeout_ms=1000).get(partition, []):
                event = json.loads(record.value)
                if event["day"] > until:
                    return stock, next_one, next_one - start
                stock += event["lamps"]
                next_one = record.offset + 1
    return stock, next_one, next_one - start


def main(bootstrap="localhost:9092", topic=f"stock-{uuid4().hex[:8]}"):
    store = sqlite3.connect(":memory:")
    store.execute(TABLE)
    send_events(bootstrap, topic, range(500))
    stock, after, folded = fold(bootstrap, topic)
    print(f"from the beginning: {stock} lamps, {folded} events folded")
    with store:
        store.execute("INSERT INTO snapshots VALUES (?, ?)", [after, stock])
    send_events(bootstrap, topic, range(500, 520))
    whole, _, folded = fold(bootstrap, topic)
    print(f"from the beginning: {whole} lamps, {folded} events folded")
    snapshot = store.execute("SELECT * FROM snapshots ORDER BY next DESC").fetchone()
    stock, _, folded = fold(bootstrap, topic, *snapshot)
    print(f"from the snapshot: {stock} lamps, {folded} events folded")
    stock, _, folded = fold(bootstrap, topic, until=2)
    print(f"at the end of day 2: {stock} lamps, {folded} events folded")


if __name__ == "__main__":
    main(*sys.argv[1:])

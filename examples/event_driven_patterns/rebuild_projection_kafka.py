"""A read model with a mistake is dropped, after its successor was built from the start.

Watch what the readers get until the switch, and the e-mails: who sends them has a place
of its own, which the rebuilding does not move.
"""

import json
import sqlite3
import sys
from contextlib import closing
from functools import partial
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

TABLES = """CREATE TABLE revenue (product PRIMARY KEY, amount INTEGER);
    CREATE TABLE rebuilt (product PRIMARY KEY, amount INTEGER);
    CREATE TABLE progress (model PRIMARY KEY, next INTEGER);
    INSERT INTO progress VALUES ('revenue', 0), ('rebuilt', 0)"""
SWITCH = """BEGIN; DROP TABLE revenue; DELETE FROM progress WHERE model = 'revenue';
    ALTER TABLE rebuilt RENAME TO revenue;
    UPDATE progress SET model = 'revenue'; COMMIT"""
ADD = """INSERT INTO {} VALUES (?, ?)
    ON CONFLICT (product) DO UPDATE SET amount = amount + excluded.amount"""


def mistaken(event):
    """Count what was placed, and forget that it may be cancelled."""
    return event["price"] if event["status"] == "placed" else 0


def mended(event):
    return event["price"] if event["status"] == "placed" else -event["price"]


def create(bootstrap, topic):
    """Create a topic that keeps its records for ever, since the default is a week."""
    settings = {"num_partitions": 1, "configs": {"retention.ms": "-1"}}
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: settings}, wait_for_metadata=True)


def send(producer, topic, status, order, product, price):
    event = {"status": status, "order": order, "product": product, "price": price}
    producer.send(topic, json.dumps(event).encode()).get(timeout=10)


def position(database, model):
    """Return the offset of the event that the model needs next."""
    find = "SELECT next FROM progress WHERE model = ?"
    return database.execute(find, [model]).fetchone()[0]


def apply(database, model, amount, offset, event):
    """Change the model and its position in one transaction."""
    with database:
        database.execute(ADD.format(model), [event["product"], amount(event)])
        move = "UPDATE progress SET next = ? WHERE model = ?"
        database.execute(move, [offset + 1, model])


def update(bootstrap, topic, database, model, amount, end):
    """Bring a model from its own position to the offset `end`."""
    partition = TopicPartition(topic, 0)
    with KafkaConsumer(
        bootstrap_servers=bootstrap,
        auto_offset_reset="none",  # Fail if an event is gone, do not skip it.
        consumer_timeout_ms=10000,
    ) as consumer:
        consumer.assign([partition])
        consumer.seek(partition, position(database, model))
        while position(database, model) < end:
            record = next(consumer)
            event = json.loads(record.value)
            apply(database, model, amount, record.offset, event)


def send_mails(bootstrap, topic):
    """Take what is new to the service that sends mails; return how many events."""
    partition = TopicPartition(topic, 0)
    with KafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=f"{topic}-mails",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        consumer_timeout_ms=10000,
    ) as consumer:
        consumer.assign([partition])
        new = consumer.end_offsets([partition])[partition] - consumer.position(
            partition
        )
        sent = [next(consumer) for _ in range(new)]
        consumer.commit()
        return len(sent)


def read(database):
    return dict(database.execute("SELECT * FROM revenue ORDER BY product"))


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    create(bootstrap, topic)
    with (
        closing(sqlite3.connect(":memory:")) as database,
        KafkaProducer(bootstrap_servers=bootstrap) as producer,
    ):
        database.executescript(TABLES)
        publish = partial(send, producer, topic)
        project = partial(update, bootstrap, topic, database)
        mail = partial(send_mails, bootstrap, topic)
        publish("placed", 1, "lamp", 49)
        publish("placed", 2, "book", 15)
        publish("placed", 3, "lamp", 49)
        publish("cancelled", 3, "lamp", 49)
        project("revenue", mistaken, 4)
        print(f"4 events, e-mails: {mail()}, readers get {read(database)}")
        project("rebuilt", mended, 2)
        publish("placed", 4, "book", 15)
        project("revenue", mistaken, 5)
        print(f"1 more, e-mails: {mail()}, readers get {read(database)}")
        project("rebuilt", mended, 5)
        database.executescript(SWITCH)
        print(f"rebuilt, e-mails: {mail()}, readers get {read(database)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

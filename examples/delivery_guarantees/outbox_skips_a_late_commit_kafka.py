"""A relay that remembers the last id skips the row of a transaction that is late.

Watch order 1: its row has the lower id and is committed after row 2 was published.
"""

import sys
from uuid import uuid4

import psycopg
from kafka import KafkaConsumer, KafkaProducer

ORDERS = "CREATE TABLE orders (id int PRIMARY KEY)"
OUTBOX = """CREATE TABLE outbox (
    id int GENERATED ALWAYS AS IDENTITY, order_id int, sent bool DEFAULT false)"""


def place_order(shop, number):
    """Write the order and its event; the caller commits."""
    shop.execute("INSERT INTO orders VALUES (%s)", [number])
    shop.execute("INSERT INTO outbox (order_id) VALUES (%s)", [number])


def publish(bootstrap, topic, rows):
    with KafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        for _, number in rows:
            producer.send(topic, str(number).encode()).get(timeout=10)


def relay_by_id(shop, bootstrap, topic, last):
    """Publish the rows after the id `last`; return the new last id."""
    query = "SELECT id, order_id FROM outbox WHERE id > %s ORDER BY id"
    rows = shop.execute(query, [last]).fetchall()
    publish(bootstrap, topic, rows)
    return rows[-1][0] if rows else last


def relay_by_mark(shop, bootstrap, topic):
    """Publish the rows that have no mark, and mark them."""
    query = "SELECT id, order_id FROM outbox WHERE NOT sent ORDER BY id"
    rows = shop.execute(query).fetchall()
    publish(bootstrap, topic, rows)
    ids = [row for row, _ in rows]
    shop.execute("UPDATE outbox SET sent = true WHERE id = ANY(%s)", [ids])


def receive(bootstrap, topic):
    """Return every event in the topic, until none has come for two seconds."""
    settings = {"auto_offset_reset": "earliest", "consumer_timeout_ms": 2000}
    with KafkaConsumer(topic, bootstrap_servers=bootstrap, **settings) as events:
        return [int(event.value) for event in events]


def main(
    bootstrap="localhost:9092",
    postgres="postgresql://postgres@localhost:5432/postgres",
    topic=f"orders-{uuid4().hex[:8]}",
):
    with (
        psycopg.connect(postgres, autocommit=True) as shop,
        psycopg.connect(postgres) as one,
        psycopg.connect(postgres) as two,
    ):
        shop.execute(ORDERS)
        shop.execute(OUTBOX)
        place_order(one, 1)
        place_order(two, 2)
        last = 0
        for late in two, one:
            late.commit()
            last = relay_by_id(shop, bootstrap, f"{topic}-id", last)
            relay_by_mark(shop, bootstrap, f"{topic}-mark")
        rows = shop.execute("SELECT id, order_id FROM outbox ORDER BY id").fetchall()
    print(f"rows in the outbox, id and order: {rows}")
    print(f"published by the last id: {receive(bootstrap, f'{topic}-id')}")
    print(f"published by the mark: {receive(bootstrap, f'{topic}-mark')}")


if __name__ == "__main__":
    main(*sys.argv[1:])

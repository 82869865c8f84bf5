"""A relay that remembers the last id skips the row of a transaction that is late.

Watch order 1: its row has the lower id and is committed after row 2 was published.
"""

import sys
from uuid import uuid4

import pika
import psycopg

ORDERS = "CREATE TABLE orders (id int PRIMARY KEY)"
OUTBOX = """CREATE TABLE outbox (
    id int GENERATED ALWAYS AS IDENTITY, order_id int, sent bool DEFAULT false)"""


def place_order(shop, number):
    """Write the order and its event; the caller commits."""
    shop.execute("INSERT INTO orders VALUES (%s)", [number])
    shop.execute("INSERT INTO outbox (order_id) VALUES (%s)", [number])


def publish(url, queue, rows):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        for _, number in rows:
            channel.basic_publish("", queue, str(number).encode())


def relay_by_id(shop, url, queue, last):
    """Publish the rows after the id `last`; return the new last id."""
    query = "SELECT id, order_id FROM outbox WHERE id > %s ORDER BY id"
    rows = shop.execute(query, [last]).fetchall()
    publish(url, queue, rows)
    return rows[-1][0] if rows else last


def relay_by_mark(shop, url, queue):
    """Publish the rows that have no mark, and mark them."""
    query = "SELECT id, order_id FROM outbox WHERE NOT sent ORDER BY id"
    rows = shop.execute(query).fetchall()
    publish(url, queue, rows)
    ids = [row for row, _ in rows]
    shop.execute("UPDATE outbox SET sent = true WHERE id = ANY(%s)", [ids])


def receive(url, queue):
    """Return every event in the queue, until none has come for two seconds."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        events = connection.channel().consume(queue, True, inactivity_timeout=2)
        received = iter(events.__next__, (None, None, None))
        return [int(body) for _, _, body in received]


def main(
    url="amqp://guest:guest@localhost:5672/",
    postgres="postgresql://postgres@localhost:5432/postgres",
    queue=f"orders-{uuid4().hex[:8]}",
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
            last = relay_by_id(shop, url, f"{queue}-id", last)
            relay_by_mark(shop, url, f"{queue}-mark")
        rows = shop.execute("SELECT id, order_id FROM outbox ORDER BY id").fetchall()
    print(f"rows in the outbox, id and order: {rows}")
    print(f"published by the last id: {receive(url, f'{queue}-id')}")
    print(f"published by the mark: {receive(url, f'{queue}-mark')}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A relay reads an outbox from PostgreSQL's log, where only commits are, in order.

Watch the table: it is always empty. The events are in the log, which PostgreSQL keeps
for as long as the relay that follows it is away.
"""

import sys
from uuid import uuid4

import pika
import psycopg

MAKE = "SELECT pg_create_logical_replication_slot(%s, 'pgoutput')"
MOVE = "SELECT pg_replication_slot_advance(%s, '0/0'::pg_lsn + %s)"
TABLES = """CREATE TABLE orders (id text, state text); CREATE TABLE outbox (id uuid
PRIMARY KEY, aggregatetype text, aggregateid text, type text, payload text);
CREATE PUBLICATION outbox FOR TABLE outbox WITH (publish = 'insert')"""
SLOTS = "FROM pg_replication_slots WHERE database = current_database()"
CHANGES = """SELECT data FROM pg_logical_slot_peek_binary_changes(%s, NULL, NULL,
'proto_version', '1', 'publication_names', 'outbox')"""


def change(database, order, state, rollback=False):
    """Write the order's state and the event of that, in one transaction."""
    event = uuid4()
    row = (event, "order", order, "OrderChanged", state)
    with database.transaction(force_rollback=rollback):
        database.execute("INSERT INTO orders VALUES (%s, %s)", (order, state))
        database.execute("INSERT INTO outbox VALUES (%s, %s, %s, %s, %s)", row)
        database.execute("DELETE FROM outbox WHERE id = %s", (event,))


def values(insert):
    """Return the row in a message of PostgreSQL's protocol that tells of an insert."""
    row, rest = [], insert[8:]  # The letters, the table and how many columns.
    while rest:
        end = 5 + int.from_bytes(rest[1:5])  # The letter t, for text, and its length.
        row.append(rest[5:end].decode())
        rest = rest[end:]
    return row


def relay(database, slot, channel, queue):
    """Publish what is in the log; when all is confirmed, move the slot behind it."""
    for (data,) in database.execute(CHANGES, [slot]).fetchall():
        if data.startswith(b"I"):
            event, _, order, kind, state = values(data)
            properties = pika.BasicProperties(
                message_id=event, type=kind, headers={"order": order}, delivery_mode=2
            )
            channel.basic_publish("", queue, state.encode(), properties)
        elif data.startswith(b"C"):  # A commit, and where it ends in the log.
            database.execute(MOVE, [slot, int.from_bytes(data[10:18])])


def kept(database):
    """Return how many bytes of its log PostgreSQL keeps for the slot."""
    size = f"SELECT pg_current_wal_lsn() - restart_lsn {SLOTS}"
    return database.execute(size).fetchone()[0]


def receive(channel, queue, count):
    for _ in range(count):
        _, properties, body = channel.basic_get(queue, auto_ack=True)
        print(f"  {properties.headers['order']} is {body.decode()}")


def main(
    url="amqp://guest:guest@localhost:5672/",
    queue=f"orders-{uuid4().hex[:8]}",
    postgres="postgresql://shop:shop@localhost:5432/shop",
):
    slot = queue.replace("-", "_")
    with (
        psycopg.connect(postgres, autocommit=True) as database,
        pika.BlockingConnection(pika.URLParameters(url)) as connection,
    ):
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True)
        database.execute(TABLES)
        database.execute(MAKE, [slot])
        change(database, "order 1", "placed")
        change(database, "order 2", "placed", rollback=True)
        change(database, "order 3", "placed")
        change(database, "order 1", "paid")
        rows = database.execute("SELECT count(*) FROM outbox").fetchone()
        print(f"rows in the outbox: {rows[0]}, and sent:")
        relay(database, slot, channel, queue)
        receive(channel, queue, 3)
        before = kept(database)
        change(database, "order 1", "shipped")
        print("nobody follows the log, and it is kept:", kept(database) > before)
        print("it is followed again, from where it was left:")
        relay(database, slot, channel, queue)
        receive(channel, queue, 1)
        channel.queue_delete(queue)
        database.execute(f"SELECT pg_drop_replication_slot(slot_name) {SLOTS}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Debezium reads an outbox from PostgreSQL's log, where only commits are, in order.

Watch the table: it is always empty. The events are in the log, which PostgreSQL keeps
for as long as the connector that follows it is away.
"""

import json
import sys
import time
from itertools import islice
from urllib.parse import urlsplit
from urllib.request import Request, urlopen
from uuid import uuid4

import psycopg
from kafka import KafkaConsumer

TABLES = """CREATE TABLE orders (id text, state text); CREATE TABLE outbox (id uuid
PRIMARY KEY, aggregatetype text, aggregateid text, type text, payload text)"""
SLOTS = "FROM pg_replication_slots WHERE database = current_database()"


def change(database, order, state, rollback=False):
    """Write the order's state and the event of that, in one transaction."""
    event = uuid4()
    row = (event, "order", order, "OrderChanged", state)
    with database.transaction(force_rollback=rollback):
        database.execute("INSERT INTO orders VALUES (%s, %s)", (order, state))
        database.execute("INSERT INTO outbox VALUES (%s, %s, %s, %s, %s)", row)
        database.execute("DELETE FROM outbox WHERE id = %s", (event,))


def connector(postgres, topic):
    """Return how to make a record of each row that comes into the outbox."""
    url, text = urlsplit(postgres), "org.apache.kafka.connect.storage.StringConverter"
    return {
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "database.hostname": url.hostname,
        "database.port": url.port,
        "database.user": url.username,
        "database.password": url.password,
        "database.dbname": url.path[1:],
        "plugin.name": "pgoutput",
        "publication.autocreate.mode": "filtered",
        "slot.name": topic.replace("-", "_"),
        "table.include.list": "public.outbox",
        "snapshot.mode": "no_data",
        "topic.prefix": topic,
        "transforms": "outbox",
        "transforms.outbox.type": "io.debezium.transforms.outbox.EventRouter",
        "transforms.outbox.route.topic.replacement": topic,
        "key.converter": text,
        "value.converter": text,
    }


def tell(database, method, url, body=None):
    """Have Connect make a connector, or delete it, and wait until it has."""
    headers = {"Content-Type": "application/json"}
    data = json.dumps(body).encode() if body else None
    urlopen(Request(url, data, headers, method=method), timeout=30).close()
    wanted, deadline = (1 if body else 0,), time.monotonic() + 30
    while database.execute(f"SELECT count(*) {SLOTS} AND active").fetchone() != wanted:
        if time.monotonic() > deadline:
            raise TimeoutError("The connector has not begun or has not ended.")
        time.sleep(0.05)


def kept(database):
    """Return how many bytes of its log PostgreSQL keeps for the slot."""
    size = f"SELECT pg_current_wal_lsn() - restart_lsn {SLOTS}"
    return database.execute(size).fetchone()[0]


def receive(consumer, count):
    for record in islice(consumer, count):
        print(f"  {record.key.decode()} is {record.value.decode()}")


def main(
    bootstrap="localhost:9092",
    topic=f"orders-{uuid4().hex[:8]}",
    postgres="postgresql://shop:shop@localhost:5432/shop",
    debezium="http://localhost:8083",
):
    url, making = f"{debezium}/connectors/{topic}", connector(postgres, topic)
    settings = {"auto_offset_reset": "earliest", "consumer_timeout_ms": 30000}
    with (
        psycopg.connect(postgres, autocommit=True) as database,
        KafkaConsumer(topic, bootstrap_servers=bootstrap, **settings) as consumer,
    ):
        database.execute(TABLES)
        tell(database, "PUT", f"{url}/config", making)
        change(database, "order 1", "placed")
        change(database, "order 2", "placed", rollback=True)
        change(database, "order 3", "placed")
        change(database, "order 1", "paid")
        rows = database.execute("SELECT count(*) FROM outbox").fetchone()
        print(f"rows in the outbox: {rows[0]}, and sent:")
        receive(consumer, 3)
        tell(database, "DELETE", url)
        before = kept(database)
        change(database, "order 1", "shipped")
        print("nobody follows the log, and it is kept:", kept(database) > before)
        tell(database, "PUT", f"{url}/config", making)
        print("it is followed again, from where it was left:")
        receive(consumer, 1)
        tell(database, "DELETE", url)
        database.execute(f"SELECT pg_drop_replication_slot(slot_name) {SLOTS}")


if __name__ == "__main__":
    main(*sys.argv[1:])

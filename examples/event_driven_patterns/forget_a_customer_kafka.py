"""Who a customer is, is encrypted with a key of the customer's own: without the key the
log keeps its bytes and the amounts, and no reader learns the name.

Watch what still knows Ann: the read model until it is rebuilt, and a copy of the key.
"""

import json
import sqlite3
import sys
from itertools import islice
from uuid import uuid4

from cryptography.fernet import Fernet
from kafka import KafkaConsumer, KafkaProducer

TABLES = """CREATE TABLE keys (customer TEXT PRIMARY KEY, key BLOB);
CREATE TABLE orders (name TEXT, amount INTEGER)"""


def key_of(store, customer):
    """Return the customer's key, or None."""
    found = store.execute("SELECT key FROM keys WHERE customer = ?", [customer])
    return next((key for (key,) in found), None)


def place(store, customer, name, amount):
    """Return an order as an event whose name only the customer's key can read."""
    row = customer, Fernet.generate_key()
    store.execute("INSERT OR IGNORE INTO keys VALUES (?, ?)", row)
    sealed = Fernet(key_of(store, customer)).encrypt(name.encode()).decode()
    return json.dumps({"customer": customer, "name": sealed, "amount": amount}).encode()


def read(store, values):
    """Return (name, amount) of each event; a name without its key is forgotten."""
    orders = []
    for event in map(json.loads, values):
        key = key_of(store, event["customer"])
        name = Fernet(key).decrypt(event["name"]).decode() if key else "(forgotten)"
        orders.append((name, event["amount"]))
    return orders


def forget(store, customer):
    store.execute("DELETE FROM keys WHERE customer = ?", [customer])


def rebuild(store, values):
    """Fill the read model anew from events."""
    store.execute("DELETE FROM orders")
    store.executemany("INSERT INTO orders VALUES (?, ?)", read(store, values))


def receive(bootstrap, topic, count):
    settings = {"auto_offset_reset": "earliest", "consumer_timeout_ms": 10000}
    with KafkaConsumer(topic, bootstrap_servers=bootstrap, **settings) as consumer:
        return [record.value for record in islice(consumer, count)]


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    store = sqlite3.connect(":memory:")
    store.executescript(TABLES)
    orders = ("c1", "Ann Lee", 30), ("c2", "Ben Orr", 12), ("c1", "Ann Lee", 8)
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for order in orders:
            producer.send(topic, place(store, *order)).get(timeout=10)
    copy, backup = receive(bootstrap, topic, 3), key_of(store, "c1")
    rebuild(store, copy)
    print("before:", read(store, copy))
    forget(store, "c1")
    again = receive(bootstrap, topic, 3)
    print("the log, read again:", read(store, again))
    print("the copy from before:", read(store, copy))
    print(f"the bytes are the same: {again == copy}")
    print("the read model:", store.execute("SELECT * FROM orders").fetchall())
    rebuild(store, again)
    print("rebuilt:", store.execute("SELECT * FROM orders").fetchall())
    name = Fernet(backup).decrypt(json.loads(again[0])["name"]).decode()
    print(f"with a copy of the key: {name}")


if __name__ == "__main__":
    main(*sys.argv[1:])

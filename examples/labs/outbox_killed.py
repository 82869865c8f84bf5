"""Each process on the way from an order to its shipment is killed at every point.

A point is each moment before a process touches the outside, and the one before it ends.
The points are not listed here: each touch says its name, the first order's process dies
at its first touch, the next one's at its second, until a process ends alive. Whatever
was killed is started again, except that nobody places the order a second time.
"""

import json
import os
import signal
import sqlite3
import time
from contextlib import closing, contextmanager
from itertools import count, islice
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pika
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from labs.checker import Outcome

BROKERS = {"kafka": 1, "rabbitmq": 1}
CLIENTS = ("kafka-python", "pika")
TITLES = {"kafka": "Kafka", "rabbitmq": "RabbitMQ"}
# The processes of each variant, and whether the consumer has an inbox.
CHAINS = {
    "commit, then publish": (("commit_and_publish", "consumer"), True),
    "publish, then commit": (("publish_and_commit", "consumer"), True),
    "outbox, no inbox": (("service", "relay", "consumer"), False),
    "outbox and inbox": (("service", "relay", "consumer"), True),
}
VARIANTS = tuple(CHAINS)
# Some hundred processes start in a run: they are forked from one with the imports.
CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload(["kafka", "pika", "sqlite3"])


# The databases: one of the shop, one of the warehouse


def create(folder):
    """Create the folder and both databases in it."""
    folder.mkdir()
    with closing(sqlite3.connect(folder / "shop.db")) as shop:
        shop.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        # Without AUTOINCREMENT the id of a deleted row is given to a new one.
        shop.execute(
            "CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT)"
        )
    with closing(sqlite3.connect(folder / "warehouse.db")) as warehouse:
        warehouse.execute("CREATE TABLE inbox (id PRIMARY KEY)")
        warehouse.execute("CREATE TABLE shipments (order_id INTEGER)")


def counted(folder, file, table, column, number):
    """Return how many rows of a table are about the order `number`."""
    with closing(sqlite3.connect(folder / file)) as database:
        query = f"SELECT count(*) FROM {table} WHERE {column} = ?"
        return database.execute(query, [number]).fetchone()[0]


# The brokers


@contextmanager
def publisher_kafka(address, name):
    """Give a function that publishes an event and waits for the acknowledgement."""
    with KafkaProducer(bootstrap_servers=address, acks="all") as producer:
        yield lambda body: producer.send(name, body.encode()).get(30)


@contextmanager
def publisher_rabbitmq(address, name):
    """Give a function that publishes an event and waits for the confirm."""
    with pika.BlockingConnection(pika.URLParameters(address)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        yield lambda body: channel.basic_publish(name, "", body.encode())


def events_kafka(address, name):
    """Yield each event that waits, and what acknowledges it."""
    place = TopicPartition(name, 0)
    with KafkaConsumer(
        bootstrap_servers=address,
        group_id=name,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_poll_records=1,
    ) as consumer:
        consumer.assign([place])  # There is one consumer: it waits for no rebalance.
        end = consumer.end_offsets([place])[place]
        while consumer.position(place) < end:
            for record in next(iter(consumer.poll(10000).values())):
                yield record.value, consumer.commit


def events_rabbitmq(address, name):
    """Yield each event that waits, and what acknowledges it."""
    with pika.BlockingConnection(pika.URLParameters(address)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)
        waiting = wait_for_no_consumer(channel, name)
        if waiting:
            for method, _, body in islice(channel.consume(name), waiting):
                yield body, lambda tag=method.delivery_tag: channel.basic_ack(tag)


def wait_for_no_consumer(channel, queue):
    """Wait until the broker has seen that a killed consumer is gone.

    Then it has put back what that one had. Return how many events wait.
    """
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = channel.queue_declare(queue, passive=True).method
        if not found.consumer_count:
            return found.message_count
        time.sleep(0.02)
    raise TimeoutError("A dead consumer still had the queue after 30 seconds.")


def wire_kafka(address, name):
    """Return every event that was ever published."""
    place = TopicPartition(name, 0)
    with KafkaConsumer(
        bootstrap_servers=address, auto_offset_reset="earliest"
    ) as consumer:
        consumer.assign([place])
        end, events = consumer.end_offsets([place])[place], []
        while consumer.position(place) < end:
            events.append(next(consumer).value)
        return events


def wire_rabbitmq(address, name):
    """Return every event that was ever published: a second queue has a copy of each."""
    with pika.BlockingConnection(pika.URLParameters(address)) as connection:
        channel = connection.channel()
        events = iter(lambda: channel.basic_get(f"{name}-copy", True)[2], None)
        return list(events)


def declare_kafka(address, name):
    with KafkaProducer(bootstrap_servers=address) as producer:
        producer.partitions_for(name)


def declare_rabbitmq(address, name):
    with pika.BlockingConnection(pika.URLParameters(address)) as connection:
        channel = connection.channel()
        channel.exchange_declare(name, "fanout", durable=True)
        for queue in (name, f"{name}-copy"):
            channel.queue_declare(queue, durable=True)
            channel.queue_bind(queue, name)


DECLARE = {"kafka": declare_kafka, "rabbitmq": declare_rabbitmq}
PUBLISHER = {"kafka": publisher_kafka, "rabbitmq": publisher_rabbitmq}
EVENTS = {"kafka": events_kafka, "rabbitmq": events_rabbitmq}
WIRE = {"kafka": wire_kafka, "rabbitmq": wire_rabbitmq}


# The processes


def commit_and_publish(folder, broker, where, number, inbox, touch):
    shop = sqlite3.connect(folder / "shop.db")
    with PUBLISHER[broker](*where) as publish:
        touch("writes the order")
        shop.execute("INSERT INTO orders VALUES (?)", [number])
        touch("commits")
        shop.commit()
        touch("publishes")
        publish(json.dumps({"id": number, "order": number}))
        touch("ends")


def publish_and_commit(folder, broker, where, number, inbox, touch):
    shop = sqlite3.connect(folder / "shop.db")
    with PUBLISHER[broker](*where) as publish:
        touch("writes the order")
        shop.execute("INSERT INTO orders VALUES (?)", [number])
        touch("publishes")
        publish(json.dumps({"id": number, "order": number}))
        touch("commits")
        shop.commit()
        touch("ends")


def service(folder, broker, where, number, inbox, touch):
    shop = sqlite3.connect(folder / "shop.db")
    touch("writes the order")
    shop.execute("INSERT INTO orders VALUES (?)", [number])
    touch("writes the outbox row")
    body = json.dumps({"order": number})
    shop.execute("INSERT INTO outbox (body) VALUES (?)", [body])
    touch("commits")
    shop.commit()
    touch("ends")


def relay(folder, broker, where, number, inbox, touch):
    shop = sqlite3.connect(folder / "shop.db")
    with PUBLISHER[broker](*where) as publish:
        touch("reads the outbox")
        rows = shop.execute("SELECT id, body FROM outbox ORDER BY id").fetchall()
        for row, body in rows:
            touch("publishes")
            publish(json.dumps({"id": row, **json.loads(body)}))
            touch("deletes the row")
            shop.execute("DELETE FROM outbox WHERE id = ?", [row])
            touch("commits")
            shop.commit()
        touch("ends")


def consumer(folder, broker, where, number, inbox, touch):
    warehouse = sqlite3.connect(folder / "warehouse.db")
    touch("asks for events")
    for body, acknowledge in EVENTS[broker](*where):
        event = json.loads(body)
        new = True
        if inbox:
            touch("writes the inbox row")
            new = warehouse.execute(
                "INSERT INTO inbox VALUES (?) ON CONFLICT DO NOTHING", [event["id"]]
            ).rowcount
        if new:
            touch("writes the shipment")
            warehouse.execute("INSERT INTO shipments VALUES (?)", [event["order"]])
        touch("commits")
        warehouse.commit()
        touch("acknowledges")
        acknowledge()
    touch("ends")


# The killing


def work(process, strike, line, *arguments):
    """Be one of the processes, and die before its touch number `strike`."""
    touches = count(1)

    def touch(name):
        if next(touches) == strike:
            line.send(name)
            os.kill(os.getpid(), signal.SIGKILL)

    globals()[process](*arguments, touch)


def live(process, strike, *arguments):
    """Run a process; return the name of the touch before which it died, or None."""
    here, there = CONTEXT.Pipe(duplex=False)
    child = CONTEXT.Process(target=work, args=(process, strike, there, *arguments))
    child.start()
    there.close()
    child.join(60)
    if child.exitcode == -signal.SIGKILL:
        return here.recv()
    if child.exitcode == 0:
        return None
    child.kill()
    raise RuntimeError(f"A {process} did not end well: {child.exitcode}.")


def place_order(chain, victim, strike, *arguments):
    """Let an order go its way while one process dies; return where it died, or None."""
    struck = None
    for process in chain:
        if process == victim:
            struck = live(process, strike, *arguments)
            if struck is None or process == chain[0]:
                continue
        live(process, 0, *arguments)
    return struck


def verdict(orders, shipments):
    """Return what is wrong with an order, or that nothing is."""
    if not orders:
        return "invented" if shipments else "no order, no shipment"
    if not shipments:
        return "lost"
    return "one shipment" if shipments == 1 else "doubled"


def kill_everywhere(broker, variant, folder, where):
    """Yield, for one order after the other, who died where, and the verdict."""
    chain, inbox = CHAINS[variant]
    numbers = count(1)
    for victim in chain:
        for strike in count(1):
            number = next(numbers)
            struck = place_order(
                chain, victim, strike, folder, broker, where, number, inbox
            )
            orders = counted(folder, "shop.db", "orders", "id", number)
            rows = counted(folder, "warehouse.db", "shipments", "order_id", number)
            name = victim if victim in ("relay", "consumer") else "service"
            died = f"killed before it {struck}" if struck else "not killed"
            yield f"{name} {died}", verdict(orders, rows)
            if not struck:
                break


def run(brokers, variant, note):
    """Run one variant on both brokers, an order on each by turns."""
    name = f"orders-{uuid4().hex[:8]}"
    wheres = {broker: (brokers[broker].address, name) for broker in BROKERS}
    points, verdicts = 0, {broker: [] for broker in BROKERS}
    with TemporaryDirectory() as parent:
        ways = []
        for broker, where in wheres.items():
            folder = Path(parent, broker)
            create(folder)
            DECLARE[broker](*where)
            ways.append(kill_everywhere(broker, variant, folder, where))
        for both in zip(*ways, strict=True):
            for broker, (_, found) in zip(BROKERS, both, strict=True):
                verdicts[broker].append(found)
            (died, one), (died_too, other) = both
            if died != died_too:
                raise RuntimeError(f"{died} on one broker, {died_too} on the other.")
            points += "not killed" not in died
            what = one if one == other else f"{one} (Kafka), {other} (RabbitMQ)"
            note(f"{died}: {what}")
    counts = {"points struck on each": points}
    for broker, where in wheres.items():
        for what in ("lost", "invented", "doubled"):
            counts[f"{TITLES[broker]}: {what}"] = verdicts[broker].count(what)
        wire = [json.loads(body)["order"] for body in WIRE[broker](*where)]
        counts[f"{TITLES[broker]}: published twice"] = len(wire) - len(set(wire))
    return Outcome(counts=counts)

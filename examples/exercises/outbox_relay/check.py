"""Make a commit fail, kill the relay around a publish, and fill its queue."""

import os
import signal
from contextlib import suppress

import pika
import psycopg
from exercises import Fault
from exercises.another_process import run
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError

STARTS_WITH = (
    "The database could not commit the event of order 2, and the table `orders` has "
    "order 2 all the same: it was committed by itself, and nobody will ever hear of it."
)
TABLES = """CREATE TABLE orders (id int PRIMARY KEY);
CREATE TABLE outbox (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
order_id int NOT NULL, sent boolean NOT NULL DEFAULT false);
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the database cannot commit this'; END $$"""
# The statement succeeds, and the commit that has it fails.
BREAK = """CREATE CONSTRAINT TRIGGER broken AFTER INSERT ON {table}
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail()"""
MEND = "DROP TRIGGER broken ON {table}"


def check(work, url, queue, postgres):
    """Raise Fault unless each order has its event, and each event comes."""
    with (
        psycopg.connect(postgres, autocommit=True) as database,
        pika.BlockingConnection(pika.URLParameters(url)) as connection,
    ):
        channel = connection.channel()
        database.execute(TABLES)
        check_placed(work, postgres, database)
        check_sent(work, url, queue, postgres, channel, database)
        check_killed(work, url, queue, postgres, channel, database)
        check_refused(work, url, f"{queue}-small", postgres, channel, database)


def place(work, postgres, order):
    """Have the reader's function place an order; return whether that went well."""
    try:
        work.place_order(postgres, order)
    except psycopg.Error:
        return False
    return True


def has(database, table, order):
    column = "id" if table == "orders" else "order_id"
    query = f"SELECT count(*) FROM {table} WHERE {column} = %s"
    return database.execute(query, [order]).fetchone()[0]


def check_placed(work, postgres, database):
    """Place order 1, then orders 2 and 3, of which a half cannot be committed."""
    if not place(work, postgres, 1):
        raise Fault("`place_order` could not place an order in a database that works.")
    for table in ("orders", "outbox"):
        if has(database, table, 1) != 1:
            raise Fault(
                f"Order 1 was placed, and `{table}` has {has(database, table, 1)} "
                "rows of it instead of one."
            )
    check_half(work, postgres, database, 2, "outbox", "orders")
    check_half(work, postgres, database, 3, "orders", "outbox")


def check_half(work, postgres, database, order, broken, other):
    database.execute(BREAK.format(table=broken))
    placed = place(work, postgres, order)
    database.execute(MEND.format(table=broken))
    if has(database, other, order) and other == "orders":
        raise Fault(STARTS_WITH)
    if has(database, other, order):
        raise Fault(
            f"The database could not commit order {order}, and the table `outbox` has "
            "its event all the same: the shop will tell the world of an order that it "
            "has not."
        )
    if placed:
        raise Fault(
            f"The database could not commit order {order}, and `place_order` raised no "
            "error: the customer is told that the order is placed."
        )
    work.place_order(postgres, order)


def relay_and_die(relay, when, *arguments):
    """Be killed before or after the second publish."""
    publish, published = BlockingChannel.basic_publish, []

    def publish_and_die(*message, **named):
        published.append(message)
        if when == "before" and len(published) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        publish(*message, **named)
        if when == "after" and len(published) == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    BlockingChannel.basic_publish = publish_and_die
    relay(*arguments)


def take(channel, queue):
    """Take what is in the queue; return the properties and the order of each event."""
    events = []
    for _ in range(channel.queue_declare(queue, passive=True).method.message_count):
        _, properties, body = channel.basic_get(queue, auto_ack=True)
        events.append((properties, int(body)))
    return events


def write_events(database, *orders):
    for order in orders:
        database.execute("INSERT INTO outbox (order_id) VALUES (%s)", [order])


def check_sent(work, url, queue, postgres, channel, database):
    """Look what a relay sends that nothing disturbs."""
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "classic"})
    # PostgreSQL writes a changed row to another place, so row 1 is not the first now.
    database.execute("UPDATE outbox SET order_id = order_id WHERE order_id = 1")
    work.relay(url, queue, postgres)
    events = take(channel, queue)
    sent = [order for _, order in events]
    if sorted(sent) != [1, 2, 3]:
        raise Fault(
            "The outbox had the events of the orders 1, 2 and 3, and the queue got "
            f"{', '.join(map(str, sent)) or 'none'}."
        )
    if sent != [1, 2, 3]:
        raise Fault(
            "The events were written in the order 1, 2, 3, and they came in the order "
            f"{', '.join(map(str, sent))}: a table has no order of its own."
        )
    check_events(database, events)


def check_killed(work, url, queue, postgres, channel, database):
    """Kill the relay before its second publish, then after its second, then neither."""
    write_events(database, 4, 5, 6)
    shop = (url, queue, postgres)
    if run(relay_and_die, work.relay, "before", *shop) != -signal.SIGKILL:
        raise Fault("`relay` has ended, and has not published three events of three.")
    run(relay_and_die, work.relay, "after", *shop)
    work.relay(*shop)
    first = list(dict.fromkeys(order for _, order in take(channel, queue)))
    if again := [order for order in first if order < 4]:
        raise Fault(
            f"The event of order {again[0]} had been sent by a relay that ended well, "
            "and the next one sent it again: nothing has marked its row."
        )
    if lost := {4, 5, 6} - set(first):
        raise Fault(
            "The relay was killed twice at its work, and of the orders 4, 5 and 6 the "
            f"queue has no event of order {min(lost)}: its row was marked before its "
            "event was sent, and the next relay left it out."
        )
    if first != [4, 5, 6]:
        raise Fault(
            "The events were written in the order 4, 5, 6. The relay was killed twice, "
            f"and they first came in the order {', '.join(map(str, first))}."
        )


def check_events(database, events):
    ids = dict(database.execute("SELECT order_id, id FROM outbox").fetchall())
    for properties, order in events:
        if properties.message_id != str(ids[order]):
            raise Fault(
                f"The event of order {order} came with the message_id "
                f"{properties.message_id!r} and has the id {ids[order]} in the outbox: "
                "who gets it twice can know that by this id only."
            )
        if properties.delivery_mode != 2:
            raise Fault(
                f"The event of order {order} came as a message that is not persistent."
            )


def fails(relay, *shop):
    """Run a relay that cannot publish; return whether it ends with an error."""
    try:
        return run(relay, *shop, deadline=10) != 0
    except Fault as fault:
        if "did not end within" in str(fault):
            raise Fault(
                "The relay was to publish an event that no queue took, and did not end "
                "within 10 seconds: it is to end with an error, and to leave the rest "
                "to the next one."
            ) from fault
        return True  # Of the reader's function, or of pika.


def check_refused(work, url, queue, postgres, channel, database):
    """Publish to no queue, then to one with place for one event."""
    write_events(database, 7, 8)
    missing = fails(work.relay, url, queue, postgres)
    limit = {"x-max-length": 1, "x-overflow": "reject-publish"}
    classic = {"x-queue-type": "classic"} | limit
    channel.queue_declare(queue, durable=True, arguments=classic)
    full = fails(work.relay, url, queue, postgres)
    events = take(channel, queue)
    if 7 not in [order for _, order in events]:
        raise Fault(
            "The relay ran while its queue did not exist, and when there was one, it "
            "did not get the event of order 7: it was marked as sent, and no queue had "
            "taken it."
        )
    with suppress(AMQPError):
        work.relay(url, queue, postgres)
    orders = [order for _, order in events + take(channel, queue)]
    if orders.count(7) > 1 and 8 not in orders:
        raise Fault(
            "The queue took the event of order 7 and refused that of order 8. When it "
            "had place for one again, it was sent order 7 again: what a queue has "
            "taken is to be marked before the next event is sent."
        )
    if 8 not in orders:
        raise Fault(
            "The queue was full and refused the event of order 8, and when there was "
            "place again, it did not come: it was marked as sent, and the broker had "
            "not confirmed it."
        )
    if not missing:
        raise Fault(
            "The relay ran while its queue did not exist, and it ended without an "
            "error: who runs it believes that the outbox is empty, and nobody will "
            "see that no event comes."
        )
    if not full:
        raise Fault(
            "The queue was full and refused the event of order 8, and the relay ended "
            "without an error: who runs it believes that the outbox is empty."
        )

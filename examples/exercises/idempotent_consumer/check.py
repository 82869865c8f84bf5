"""Send a payment twice, kill a worker after a commit, and make two commits fail."""

import os
import signal
import time

import pika
import psycopg
from exercises import Fault
from exercises.another_process import run
from pika.adapters.blocking_connection import BlockingChannel

STARTS_WITH = (
    "The message of a payment came twice, and its amount was added twice: the second "
    "message had the same `message_id` as the first."
)
PATIENCE = 10  # Seconds.
# Each payment is a digit of the balance, which says how often it was added.
AMOUNTS = {f"payment {number}": 10 ** (number - 1) for number in range(1, 6)}
TABLES = """CREATE TABLE account (balance int NOT NULL);
INSERT INTO account VALUES (0);
CREATE TABLE inbox (id text PRIMARY KEY);
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the database cannot commit this'; END $$"""
# The statement succeeds, and the commit that has it fails.
BREAK = """CREATE CONSTRAINT TRIGGER broken AFTER INSERT OR UPDATE ON {table}
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION fail()"""
MEND = "DROP TRIGGER broken ON {table}"


def check(work, url, queue, postgres):
    """Raise Fault unless each payment is added once."""
    with (
        psycopg.connect(postgres, autocommit=True) as database,
        pika.BlockingConnection(pika.URLParameters(url)) as connection,
    ):
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        database.execute(TABLES)
        shop = (url, queue, postgres)
        check_twice(work, shop, channel, database)
        kill(work, shop, channel)
        refuse(work, shop, channel, database, "account", "payment 4")
        check_after_death(database)
        refuse(work, shop, channel, database, "inbox", "payment 5")
        check_after_refusal(database, "account", "payment 4")
        run(work.consume, *shop, 1)
        check_after_refusal(database, "inbox", "payment 5")
        if wait_for(channel, queue, 0):
            raise Fault(
                "All payments are in the balance, and the queue has messages left: "
                "what is never acknowledged comes again for ever."
            )


def publish(channel, queue, payment):
    properties = pika.BasicProperties(message_id=payment, delivery_mode=2)
    channel.basic_publish("", queue, str(AMOUNTS[payment]).encode(), properties)


def added(database, payment):
    """Return how often a payment's amount is in the balance."""
    (balance,) = database.execute("SELECT balance FROM account").fetchone()
    return balance // AMOUNTS[payment] % 10


def wait_for(channel, queue, wanted):
    """Ask until the queue has `wanted` messages and no consumer; return how many."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = channel.queue_declare(queue, passive=True).method
        settled = found.message_count == wanted and not found.consumer_count
        if settled or time.monotonic() > deadline:
            return found.message_count
        time.sleep(0.05)


def check_twice(work, shop, channel, database):
    """Have one worker take a payment, its repetition and a new one."""
    for payment in ("payment 1", "payment 1", "payment 2"):
        publish(channel, shop[1], payment)
    try:
        run(work.consume, *shop, 3)
    except Fault as fault:
        if "InFailedSqlTransaction" not in str(fault):
            raise
        raise Fault(
            "A payment came twice, then a new one, and with that the database would do "
            "nothing: the repetition had ended in an error, and PostgreSQL takes no "
            "further statement in a transaction that has had one."
        ) from fault
    times = added(database, "payment 1")
    if times == 0:
        raise Fault("The message of a payment came, and its amount was not added.")
    if times > 1:
        raise Fault(STARTS_WITH)
    if not added(database, "payment 2"):
        raise Fault(
            "A payment came twice, then a new one, and the new one was not added: "
            + (
                "the repetition is still in the queue, and while it is not "
                "acknowledged the broker sends nothing behind it."
                if wait_for(channel, shop[1], 2)
                else "the message is gone, and the payment with it."
            )
        )


def consume_and_die(consume, *arguments):
    """Be killed at the first acknowledgement."""
    for name in ("basic_ack", "basic_nack", "basic_reject"):
        setattr(BlockingChannel, name, die)
    consume(*arguments)


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


def kill(work, shop, channel):
    """Kill a worker when it is about to acknowledge payment 3."""
    publish(channel, shop[1], "payment 3")
    if run(consume_and_die, work.consume, *shop, 1) != -signal.SIGKILL:
        raise Fault(
            "`consume` has ended without an acknowledgement: when the broker takes a "
            "payment for done as soon as it has sent it, a worker that dies takes the "
            "payment with it."
        )
    wait_for(channel, shop[1], 1)


def refuse(work, shop, channel, database, table, payment):
    """Have what is left taken, then a payment of which a row cannot be committed."""
    publish(channel, shop[1], payment)
    row = (
        f"balance >= {AMOUNTS[payment]}" if table == "account" else f"id = '{payment}'"
    )
    database.execute(BREAK.format(table=table, when=f"NEW.{row}"))
    try:
        run(work.consume, *shop, 2)
        raised = False
    except Fault:  # It says what the database said.
        raised = True
    database.execute(MEND.format(table=table))
    if added(database, payment):
        return  # It had that row committed apart from the other, or had none.
    if not raised:
        raise Fault(
            f"The database refused to commit what was written into `{table}`, and "
            "`consume` went on as if nothing had happened: let the error end it, and "
            "the message comes again."
        )
    if not wait_for(channel, shop[1], 1):
        raise Fault(
            "The database refused the commit of a payment, and the queue has the "
            "message no more: it was acknowledged before the payment was in the "
            "balance, and so it is lost."
        )


def check_after_death(database):
    times = added(database, "payment 3")
    if times > 1:
        raise Fault(
            "A worker was killed after it had added a payment and before it could "
            "acknowledge it. The message came again, and the amount was added again."
        )
    if times == 0:
        raise Fault(
            "A worker was killed when it was about to acknowledge a payment. The "
            "message came again, and the amount was not added either time: the "
            "database knew the payment, and did not have it."
        )


def check_after_refusal(database, table, payment):
    times = added(database, payment)
    if times == 0:
        raise Fault(
            f"The database refused to commit what was written into `{table}`, and "
            "when it was mended, the payment was in `inbox` and not in the balance: "
            "the identifier was committed by itself, and the repetition was taken for "
            "known."
        )
    if times > 1:
        raise Fault(
            f"The database refused to commit what was written into `{table}`, and "
            "when it was mended, the payment was in the balance twice: the amount was "
            "committed by itself, and nothing remembered it."
        )

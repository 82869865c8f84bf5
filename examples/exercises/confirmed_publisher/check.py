"""Publish to a queue, to a name that no queue has, and to a queue that is full."""

import time
from unittest import mock

import pika
from exercises import Fault
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker

STARTS_WITH = (
    "Three orders were published to a name that no queue has, and `publish` returned "
    "none of them: the broker has dropped all three, and the shop takes them for safe."
)
ORDERS = ["order 1", "order 2", "order 3"]
PATIENCE = 10  # Seconds.


def check(work, url, queue):
    """Raise Fault unless `publish` returns exactly what no queue has."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        declare(channel, queue)
        failed = publish(work, url, queue, "a queue that takes them all")
        check_taken(channel, queue, failed)
        missing, asked = publish_to_none(work, connection, url, f"{queue}-missing")
        refused = publish_to_full(work, channel, url, f"{queue}-full")
        check_unroutable(missing, asked, refused)
        check_refused(refused)
        check_persistent(channel, queue)


def declare(channel, queue, **limits):
    """Declare a classic queue, which heeds a limit of its length exactly."""
    arguments = {"x-queue-type": "classic"} | limits
    channel.queue_declare(queue, durable=True, arguments=arguments)


def publish(work, url, queue, where):
    """Return what the reader's function returns, as a list."""
    try:
        failed = work.publish(url, queue, list(ORDERS))
    except pika.exceptions.AMQPError as error:
        raise Fault(
            f"Three orders were published to {where}, and `publish` raised "
            f"{type(error).__name__}: what raises an error at one order says nothing "
            "of those behind it. It is to go on and return what was not taken."
        ) from error
    if failed is None:
        raise Fault("`publish` returned None: it is to return a list of orders.")
    return list(failed)


def count(channel, queue, expected):
    """Ask until the queue has `expected` messages; return how many it has."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = channel.queue_declare(queue, passive=True).method.message_count
        if found >= expected or time.monotonic() > deadline:
            return found
        time.sleep(0.02)


def check_taken(channel, queue, failed):
    found = count(channel, queue, len(ORDERS))
    if found != len(ORDERS):
        raise Fault(
            f"Three orders were published to a queue that takes them all, and it has "
            f"{found}: each order is to be there once."
        )
    if failed:
        raise Fault(
            f"`publish` returned {failed}, and the queue has all three orders: who "
            "sends those again makes duplicates."
        )


def publish_to_none(work, connection, url, queue):
    """Publish to a name that no queue has.

    Returns what failed, and whether what finds no queue was to come back.
    """
    asked, basic_publish = [], BlockingChannel.basic_publish

    def note(channel, exchange, routing_key, body, properties=None, mandatory=False):
        asked.append(mandatory)
        basic_publish(channel, exchange, routing_key, body, properties, mandatory)

    with mock.patch.object(BlockingChannel, "basic_publish", note):
        failed = publish(work, url, queue, "a name that no queue has")
    if exists(connection, queue):
        raise Fault(
            "Three orders were published to a name that no queue had, and now there is "
            "a queue: a publisher that misspells a name and declares it fills a queue "
            "that nobody reads. It is to declare nothing."
        )
    return failed, any(asked)


def publish_to_full(work, channel, url, queue):
    """Publish to a queue that has place for one order and refuses the others."""
    declare(channel, queue, **{"x-max-length": 1, "x-overflow": "reject-publish"})
    return publish(work, url, queue, "a queue with place for one")


def check_unroutable(failed, asked, refused):
    """Look at what failed where no queue was; `refused` tells how much is done."""
    if not failed and asked:
        raise Fault(
            "Three orders were published to a name that no queue has. The broker has "
            "sent all three back, as their publisher had asked, and `publish` returned "
            "none of them: it did not wait for the broker's word, or did not heed it."
        )
    if not failed and refused:
        raise Fault(
            "A full queue refused orders, and `publish` knew of it. Three more were "
            "published to a name that no queue has, and it returned none of them: the "
            "broker confirms what it drops, unless the publisher asks to have back "
            "what finds no queue."
        )
    if not failed:
        raise Fault(STARTS_WITH)
    if failed != ORDERS:
        raise Fault(
            f"Three orders were published to a name that no queue has, and `publish` "
            f"returned {failed}: no queue has any of the three, so it is to return "
            f"{ORDERS}."
        )


def exists(connection, queue):
    channel = connection.channel()
    try:
        channel.queue_declare(queue, passive=True)
    except ChannelClosedByBroker:
        return False
    channel.close()
    return True


def check_refused(failed):
    if failed != ORDERS[1:]:
        raise Fault(
            "Three orders were published to a queue with place for one, which refuses "
            f"the others. It has order 1, and `publish` returned {failed}: it is to "
            f"return {ORDERS[1:]}."
        )


def check_persistent(channel, queue):
    """Look at what lies in the queue."""
    for order in ORDERS:
        _, properties, body = channel.basic_get(queue, auto_ack=True)
        if body.decode() != order:
            raise Fault(
                f"Where {order} is to be, the queue has '{body.decode()}': the body is "
                "the order's text, and the orders keep their order."
            )
        if properties.delivery_mode != pika.DeliveryMode.Persistent.value:
            raise Fault(
                f"The queue is durable and the message with {order} is not persistent: "
                "a restart of the broker leaves the queue and takes the order."
            )

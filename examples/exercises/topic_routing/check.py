"""Publish an event with each of a dozen keys, and look which queues have got it."""

from functools import partial

import pika
from exercises import Fault

STARTS_WITH = (
    "The queue of packing was not to get `order.de.cancelled` and 9 others: its "
    "pattern takes more than the task says."
)
# Each key, and who is to get it.
EVENTS = {
    "order.de.placed": {"packing", "germany"},
    "order.fr.placed": {"packing"},
    "order.de.cancelled": {"germany"},
    "order.fr.gift.placed": set(),
    "order.fr.failed": {"alarms"},
    "payment.de.failed": {"alarms", "germany"},
    "payment.fr.card.failed": {"alarms"},
    "payment.fr.failed.again": set(),
    "shipment.fr.placed": set(),
    "shipment.de.sent.by.rail": {"germany"},
    "shipment.fr.de.sent": set(),
    "customer.de": {"germany"},
}


def check(work, url, queue):
    """Raise Fault unless each queue has the events that it was to get, each once."""
    exchange = f"{queue}-events"
    # They go with the connection.
    queues = {name: f"{queue}-{name}" for name in ("packing", "alarms", "germany")}
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for name in queues.values():
            channel.queue_declare(name, exclusive=True)
        try:
            work.bind(channel, exchange, *queues.values())
            check_type(connection, exchange)
            for key in EVENTS:
                channel.basic_publish(exchange, key, b"")
            for name in queues:
                check_queue(name, take_all(channel, queues[name]))
        finally:
            connection.channel().exchange_delete(exchange)


def check_type(connection, exchange):
    """Declare the exchange again, which the broker refuses if it is not the same."""
    try:
        connection.channel().exchange_declare(exchange, "topic", durable=True)
    except pika.exceptions.ChannelClosedByBroker as error:
        raise Fault(
            "The exchange is to be a durable topic exchange, and it is another one: "
            "only a topic exchange compares a key with patterns."
        ) from error


def take_all(channel, queue):
    """Take what is in the queue; return the routing keys."""
    get = partial(channel.basic_get, queue, auto_ack=True)
    return [method.routing_key for method, _, _ in iter(get, (None, None, None))]


def check_queue(name, found):
    wanted = [key for key, queues in EVENTS.items() if name in queues]
    missed = [key for key in wanted if key not in found]
    surplus = [key for key in found if key not in wanted]
    if surplus:
        raise Fault(
            f"The queue of {name} was not to get {first(surplus)}: its pattern takes "
            "more than the task says."
        )
    if missed:
        raise Fault(
            f"The queue of {name} was to get {first(missed)}, and the broker has told "
            "nobody that it did not: its bindings take less than the task says."
        )


def first(keys):
    """Return the first of some keys, and how many there are besides."""
    key, *others = (f"`{each}`" for each in keys)
    if not others:
        return key
    return f"{key} and {len(others)} {'other' if len(others) == 1 else 'others'}"

"""Orders at two sites of RabbitMQ, of which the near one is copied to the far one."""

import threading
from contextlib import contextmanager
from time import monotonic, sleep

import pika
from pika.exceptions import AMQPError
from production.federated_exchange_rabbitmq import ask, federate
from production.shovel_moves_messages_rabbitmq import start_shovel, wait_for

ERRORS = (AMQPError, OSError)


def bind(url, exchange, queue):
    """Make an exchange and a durable queue that gets everything from it."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.exchange_declare(exchange, "topic", durable=True)
        channel.queue_declare(queue, durable=True)
        channel.queue_bind(queue, exchange, "#")


def prepare(sites, name):
    """Make an exchange at both sites, with a queue for work."""
    for site, queue in zip(sites, (near_place(name), far_place(name)), strict=True):
        bind(site.address, name, queue)


def link_federation(sites, name):
    """Have far's exchange fetch what is published near; return when it does."""
    near, far = sites
    federate(far, near.address, name, far_place(name), "#")
    path, deadline = f"exchanges/%2F/{name}/bindings/source", monotonic() + 40
    while not any(
        each["destination_type"] == "exchange"
        for each in ask(near.nodes[0].management, "GET", path)
    ):
        if monotonic() > deadline:
            raise TimeoutError("The link is late.")
        sleep(0.05)


def unlink_federation(sites, name):
    """Stop that."""
    ask(sites.far.nodes[0].management, "DELETE", "policies/%2F/federate")


def link_shovel(sites, name):
    """Have near move to far what a second queue gets there."""
    near, far = sites
    bind(near.address, name, far_place(name))
    start_shovel(near.nodes[0].management, near.address, far.address, far_place(name))


def unlink_shovel(sites, name):
    """Stop that; near has to run."""
    ask(sites.near.nodes[0].management, "DELETE", "parameters/shovel/%2F/orders")


@contextmanager
def sender(url, name):
    """Yield what sends one order and returns when it is confirmed."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.confirm_delivery()
    keep = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)
    try:
        yield lambda number: channel.basic_publish(name, "order", b"%d" % number, keep)
    finally:
        if connection.is_open:
            connection.close()


def handle(url, queue, handled, going: threading.Event):
    """Handle orders, acknowledge each, and note when; until `going` is cleared.

    Raises one of ERRORS when the site is gone.
    """
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=50)
        for method, _, body in channel.consume(queue, inactivity_timeout=0.1):
            if not going.is_set():
                return
            if method:
                handled[int(body)] = monotonic()
                channel.basic_ack(method.delivery_tag)


def near_place(name):
    """Return where orders are handled near."""
    return f"{name}-near"


def far_place(name):
    """Return where orders are handled far."""
    return f"{name}-far"


def copied(sites, name, far):
    """Return the orders that are far: those that were handled there."""
    return {number for number in far if number >= 0}


def arrived(sites, name, count):
    """Wait until so many orders wait far."""
    wait_for(sites.far.address, far_place(name), count)

"""A direct exchange gives each queue the events of the severities it is bound to.

Watch the pager: two of six events reach its queue, and the others never go there.
"""

import sys
from uuid import uuid4

import pika

EVENTS = [
    ("info", "order 1 placed"),
    ("warning", "payment 1 is late"),
    ("error", "payment 1 refused"),
    ("info", "order 2 placed"),
    ("error", "shipment 2 lost"),
    ("info", "order 3 placed"),
]


def bind(channel, exchange, name, severities):
    """Declare a queue and bind it once for each severity; return its name."""
    queue = f"{exchange}-{name}"
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    for severity in severities:
        channel.queue_bind(queue, exchange, routing_key=severity)
    return queue


def publish(channel, exchange):
    channel.confirm_delivery()
    for severity, event in EVENTS:
        channel.basic_publish(exchange, severity, event.encode())


def read_all(channel, queue):
    """Take events from the queue until none has come for a second."""
    events = []
    for method, _, body in channel.consume(queue, inactivity_timeout=1):
        if method is None:
            channel.cancel()
            return events
        channel.basic_ack(method.delivery_tag)
        events.append(body.decode())


def main(url="amqp://localhost", exchange=f"orders-{uuid4().hex[:8]}"):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.exchange_declare(exchange, "direct", durable=True)
        pager = bind(channel, exchange, "pager", ["error"])
        journal = bind(channel, exchange, "journal", ["info", "warning", "error"])
        publish(channel, exchange)
        events = read_all(channel, pager)
        print(f"pager:   {', '.join(events)}")
        print(f"journal: {', '.join(read_all(channel, journal))}")
        print(f"the pager was sent {len(events)} of {len(EVENTS)} events")


if __name__ == "__main__":
    main(*sys.argv[1:])

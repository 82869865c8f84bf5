"""The same orders are sent and handled under each guarantee, and the time is taken.

One thing differs between two rows. The rows of one broker are compared with each other,
and never the brokers: they do not do the same for an order.
"""

from uuid import uuid4

import pika
from delivery_guarantees import cost_of_a_guarantee_kafka as kafka
from delivery_guarantees import cost_of_a_guarantee_rabbitmq as rabbitmq
from labs.checker import Outcome
from labs.kafka_topics import new_topic

BROKERS = {"kafka": 3, "rabbitmq": 3}
CLIENTS = ("kafka-python", "pika")
VARIANTS = ("Kafka", "RabbitMQ")
SENT, HANDLED, COMMITTED = 1000, 200, 100  # Orders of a measurement.


def create_queue(url):
    """Return the name of a new quorum queue with three members."""
    queue = f"orders-{uuid4().hex[:8]}"
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        quorum = {"x-queue-type": "quorum"}
        connection.channel().queue_declare(queue, durable=True, arguments=quorum)
    return queue


def measure(broker, address, create, note):
    """Return the seconds of each way to send and to handle orders."""
    seconds = {}
    ways = {"no confirms": None, "100 unconfirmed": 100, "one by one": 1}
    for name, window in ways.items():
        taken, waits = broker.send(address, create(address), window, SENT)
        seconds[f"send {SENT}, {name}"] = taken
        if waits:
            seconds[f"{SENT} waits for a confirm, {name}"] = sum(waits)
    note("the orders are sent")
    ways = {
        "acknowledge first, by 50": (50, True),
        "acknowledge last, by 50": (50,),
        "known dropped, by 50": (50, False, True),
        "acknowledge last, one by one": (1,),
    }
    for name, how in ways.items():
        place = create(address)
        broker.send(address, place, 100, HANDLED + 1)
        taken = broker.receive(address, place, *how, count=HANDLED)
        seconds[f"handle {HANDLED}, {name}"] = taken
    note("the orders are handled")
    return seconds


def run(brokers, variant, note):
    """Run one variant; the brokers are as before when it returns."""
    if variant == "RabbitMQ":
        address = brokers["rabbitmq"].nodes[0].address
        return Outcome(seconds=measure(rabbitmq, address, create_queue, note))
    servers = brokers["kafka"].address
    seconds = measure(kafka, servers, new_topic, note)
    for size in (50, 1):
        topic = new_topic(servers)
        taken, waits = kafka.send_in_transactions(servers, topic, size, COMMITTED)
        seconds[f"send {COMMITTED}, transactions of {size}"] = taken
        seconds[f"{COMMITTED} waits for a commit, transactions of {size}"] = sum(waits)
    note("the transactions are committed")
    return Outcome(seconds=seconds)

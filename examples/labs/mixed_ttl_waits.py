"""Orders wait for their next try, each for its own time, in one queue or in several.

An order that has waited goes to a second queue, where it is noted how late it comes.
"""

import time
from uuid import uuid4

import pika
from labs.checker import Outcome
from labs.numbered_orders import declare

BROKERS = {"rabbitmq": 1}
CLIENTS = ("pika",)
VARIANTS = ("one queue", "a queue per delay", "one quorum queue")
DELAYS = (3000, 500, 1000, 1500, 500)  # Milliseconds, in the order of the failures.


def queues(address, name, variant):
    """Declare where orders wait; return the queue for each delay."""
    kind = "quorum" if variant == "one quorum queue" else "classic"
    apart = variant == "a queue per delay"
    waiting = {
        delay: f"{name}-wait-{delay}" if apart else f"{name}-wait" for delay in DELAYS
    }
    declare(address, name, kind)
    for queue in set(waiting.values()):
        declare(
            address, queue, kind, dead_letter_exchange="", dead_letter_routing_key=name
        )
    return waiting


def run(brokers, variant, note):
    """Run one variant."""
    address, name = brokers["rabbitmq"].address, f"orders-{uuid4().hex[:8]}"
    waiting = queues(address, name, variant)
    due, late = {}, {}
    with pika.BlockingConnection(pika.URLParameters(address)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for number, delay in enumerate(DELAYS):
            lifetime = pika.BasicProperties(expiration=str(delay), delivery_mode=2)
            due[number] = time.monotonic() + delay / 1000
            channel.basic_publish("", waiting[delay], str(number).encode(), lifetime)
            note(f"order {number} is to wait for {delay / 1000} s")
        for method, _, body in channel.consume(name, inactivity_timeout=10):
            if method is None:
                raise TimeoutError("An order has not come back within 10 seconds.")
            channel.basic_ack(method.delivery_tag)
            number = int(body)
            late[number] = time.monotonic() - due[number]
            note(f"order {number} is back, {late[number]:.2f} s late")
            if len(late) == len(DELAYS):
                break
    return Outcome(
        counts={"over a second late": sum(each > 1 for each in late.values())},
        seconds={"most late": max(late.values()), "least late": min(late.values())},
    )

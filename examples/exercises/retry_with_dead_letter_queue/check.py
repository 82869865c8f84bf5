"""Let one order fail for ever, one twice and one never, and have one refused."""

import time
from itertools import pairwise
from unittest import mock

import pika
from exercises import Fault
from pika.adapters.blocking_connection import BlockingChannel

STARTS_WITH = (
    "Order 1 failed, and after its first try it was never tried again, nor is it among "
    "the dead letters: it is lost."
)
FAILURES = {"order 1": 9, "order 2": 0, "order 3": 2}
REASON = "the card was refused"
TIMES = ["never", "once", "twice", "three times"]
DELAY, TRIES, PATIENCE = 0.3, 3, 10  # Seconds, tries, seconds.


def check(work, url, queue):
    """Raise Fault unless what fails is tried three times, later, and then set aside."""
    parameters = pika.URLParameters(url)
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        properties = pika.BasicProperties(delivery_mode=2)
        work.declare(connection.channel(), queue)
        for name in (queue, f"{queue}-retry", f"{queue}-dead"):
            if not exists(connection, name):
                raise Fault(
                    f"`declare` was to declare three queues, and there is no "
                    f"`{name.replace(queue, '{queue}')}`."
                )
        for order in FAILURES:
            channel.basic_publish("", queue, order.encode(), properties)
        with pika.BlockingConnection(parameters) as own:
            tries = run(work, own.channel(), queue)
        check_tries(channel, queue, tries)
        check_delays(tries)
        check_left(connection.channel(), queue)
        check_dead(connection.channel(), queue)
        channel.basic_publish("", queue, b"order 4", properties)
        check_refused(work, parameters, channel, queue)


def exists(connection, queue):
    channel = connection.channel()
    try:
        channel.queue_declare(queue, passive=True)
    except pika.exceptions.ChannelClosedByBroker:
        return False
    channel.close()
    return True


def run(work, channel, queue):
    """Run the reader's worker; return each try, its order and when it was made."""
    tries = []

    def handle(order):
        tries.append((order, time.monotonic()))
        if [each for each, _ in tries].count(order) <= FAILURES[order]:
            raise RuntimeError(REASON)

    work.work(channel, queue, handle)
    return tries


def count(channel, queue):
    return channel.queue_declare(queue, passive=True).method.message_count


def check_tries(channel, queue, tries):
    """Count how often each order was tried."""
    for order, failures in FAILURES.items():
        wanted = min(failures + 1, TRIES)
        found = [each for each, _ in tries].count(order)
        if found == wanted:
            continue
        if found == 0:
            raise Fault(f"`handle` was never called with {order}.")
        if found > wanted:
            raise Fault(
                f"{order.capitalize()} was tried {found} times, and {TIMES[wanted]} "
                "was right: no try may follow one that has succeeded, nor the third."
            )
        if found == 1 and not count(channel, f"{queue}-dead"):
            waiting = count(channel, f"{queue}-retry")
            raise Fault(
                f"{waiting} orders lie in `{{queue}}-retry`, and none of them has come "
                "back for its second try: the queue lets nothing go, or not to where "
                "the work is."
                if waiting
                else STARTS_WITH
            )
        raise Fault(
            f"{order.capitalize()} was tried {TIMES[found]}, and {TIMES[wanted]} was "
            "right: a later try may cure what this one did not."
        )


def check_delays(tries):
    """Look when an order was tried again, and whether the others had to wait."""
    times = {order: [at for each, at in tries if each == order] for order in FAILURES}
    for order, at in times.items():
        for before, after in pairwise(at):
            if after - before < DELAY - 0.01:  # RabbitMQ counts whole milliseconds.
                raise Fault(
                    f"{order.capitalize()} was tried again {after - before:.2f} "
                    f"seconds after it had failed, and {DELAY} was right: a retry at "
                    "once meets what has just failed, and puts load on it."
                )
    if times["order 2"][0] > times["order 1"][1]:
        raise Fault(
            "Order 2 had to wait until order 1 was tried again: the delay is for the "
            "order that has failed and not for those behind it."
        )


def wait_for_end(channel, queue):
    """Wait until the queue has no consumer, and so has back what was not done."""
    deadline = time.monotonic() + PATIENCE
    while channel.queue_declare(queue, passive=True).method.consumer_count:
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)


def check_left(channel, queue):
    """Look whether a message is left where none should be."""
    wait_for_end(channel, queue)
    for name in ("", "-retry"):
        if left := count(channel, f"{queue}{name}"):
            raise Fault(
                f"All orders are done or given up, and `{{queue}}{name}` has {left} "
                "left: what was put off or given up is still there, and will be tried "
                "again."
            )


def check_dead(channel, queue):
    """Look at the one dead letter."""
    if (found := count(channel, f"{queue}-dead")) != 1:
        raise Fault(
            f"One order has failed three times, and `{{queue}}-dead` has {found} "
            "messages: an order that is given up is to be there once, and no other."
        )
    _, properties, body = channel.basic_get(f"{queue}-dead", auto_ack=True)
    headers = properties.headers or {}
    if body != b"order 1":
        raise Fault(f"The dead letter is {body!r}, and order 1 is what was given up.")
    if headers.get("reason") != REASON:
        raise Fault(
            f"The dead letter's header `reason` is {headers.get('reason')!r}, and the "
            f"error said '{REASON}': who finds the letter must see why it is there."
        )
    if isinstance(headers.get("attempts"), str):
        raise Fault(
            "The dead letter's header `attempts` is a text, and a number was asked "
            "for: AMQP's headers have types, and who compares it with a number finds "
            "that they differ."
        )
    if headers.get("attempts") != TRIES:
        raise Fault(
            f"The dead letter's header `attempts` is {headers.get('attempts')!r}, and "
            f"the order was tried {TRIES} times."
        )
    if properties.delivery_mode != pika.DeliveryMode.Persistent.value:
        raise Fault(
            "The dead letter is not persistent. A quorum queue keeps it all the same, "
            "and a classic queue, where somebody may move it, loses it in a restart."
        )


def check_refused(work, parameters, channel, queue):
    """Have order 4 fail once, and what the worker then publishes first refused."""
    full = f"{queue}-full"
    limits = {"x-max-length": 1, "x-overflow": "reject-publish"}
    arguments = {"x-queue-type": "classic"} | limits
    channel.queue_declare(full, durable=True, arguments=arguments)
    channel.basic_publish("", full, b"the one for which there is place")
    publish, published, tries = BlockingChannel.basic_publish, [], []

    def publish_to_full(worker, exchange, routing_key, *message, **named):
        published.append(routing_key)
        target = ("", full) if len(published) == 1 else (exchange, routing_key)
        publish(worker, *target, *message, **named)

    def handle(order):
        tries.append(order)
        if len(tries) == 1:
            raise RuntimeError(REASON)

    raised = False
    with mock.patch.object(BlockingChannel, "basic_publish", publish_to_full):
        try:
            with pika.BlockingConnection(parameters) as own:
                work.work(own.channel(), queue, handle)
        except Exception:
            raised = True
    if len(tries) > 1:
        return  # It was tried again, and went well.
    wait_for_end(channel, queue)
    if any(count(channel, f"{queue}{name}") for name in ("-retry", "", "-dead")):
        return
    if raised:
        raise Fault(
            "Order 4 failed, and the queue to which it was sent refused it. The worker "
            "knew of that, and the order is lost: it was acknowledged before another "
            "queue had it. A worker that dies in between loses it as well."
        )
    raise Fault(
        "Order 4 failed, and the queue to which it was sent refused it. Now no queue "
        "has it: the worker gave it up without the broker's word that another queue "
        "had it."
    )

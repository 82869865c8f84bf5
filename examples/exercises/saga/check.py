"""Play the services for five orders, of which four meet a refusal or a silence."""

import time
from contextlib import suppress
from threading import Thread

import pika
from exercises import Fault
from pika.exceptions import AMQPError

STARTS_WITH = (
    "The charge of order 2 was refused, and the order was shipped all the same: the "
    "customer gets a parcel that nobody has paid for."
)
SERVICE = {"reserve": "stock", "release": "stock", "charge": "payment"}
SERVICE |= {"refund": "payment", "ship": "shipping"}
# What a service replies to the first command of a kind, if it is not `done`.
FIRST = {
    ("order 2", "charge"): "refused",
    ("order 3", "ship"): "refused",
    ("order 3", "refund"): "silence",
    ("order 4", "charge"): "silence",
    ("order 5", "ship"): "silence",
}
SECONDS, PATIENCE = 2, 30  # Before no reply is none; for all orders.


def check(work, url, queue):
    """Raise Fault unless each order has ended all done or all undone."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        sent, ends = serve(work, connection, url, queue)
    for order in (f"order {number}" for number in range(1, 6)):
        if order not in ends:
            raise Fault(
                f"`place` has not ended for {order} after {PATIENCE} seconds. The "
                f"services got {listed(sent[order])}."
            )
        if isinstance(ends[order], Exception):
            raise ends[order]
    check_shipped(sent["order 1"], ends["order 1"])
    check_charge_refused(sent["order 2"])
    check_shipment_refused(sent["order 3"])
    check_charge_unanswered(sent["order 4"])
    check_shipment_unanswered(sent["order 5"])
    for order in ("order 2", "order 3", "order 4", "order 5"):
        wanted = "shipped" if order == "order 5" else "refused"
        if ends[order] != wanted:
            raise Fault(
                f"The services did right by {order}, and `place` returned "
                f"{ends[order]!r} instead of '{wanted}'."
            )


def serve(work, connection, url, queue):
    """Play the services until all orders have ended; return what came and the ends."""
    channel, ends = connection.channel(), {}
    sent = {f"order {number}": [] for number in range(1, 6)}

    def reply(_channel, method, asked, body):
        order, command = body.decode(), asked.type
        first = command not in sent[order]
        sent[order].append(command)
        if method.routing_key != f"{queue}-{SERVICE.get(command)}":
            sent[order].append(f"{command} in the queue of another service")
        answer = FIRST.get((order, command), "done") if first else "done"
        if answer != "silence":
            properties = pika.BasicProperties(correlation_id=asked.correlation_id)
            channel.basic_publish("", asked.reply_to, answer.encode(), properties)

    for service in set(SERVICE.values()):
        name, arguments = f"{queue}-{service}", {"x-queue-type": "quorum"}
        channel.queue_declare(name, durable=True, arguments=arguments)
        channel.basic_consume(name, reply, auto_ack=True)
    for order in sent:
        # An order that does not end must not keep the program from ending.
        arguments = (work, url, queue, order, ends)
        Thread(target=place, args=arguments, daemon=True).start()
    deadline = time.monotonic() + PATIENCE
    while len(ends) < len(sent) and time.monotonic() < deadline:
        connection.process_data_events(time_limit=0.05)
    connection.process_data_events(time_limit=0.1)  # What nobody waited for.
    return sent, ends


def place(work, url, queue, order, ends):
    """Have the reader's function place an order, on a connection of its own."""
    with (
        suppress(AMQPError),
        pika.BlockingConnection(pika.URLParameters(url)) as connection,
    ):
        channel = connection.channel()
        replies = channel.queue_declare("", exclusive=True).method.queue
        try:
            ends[order] = work.place(channel, queue, replies, order, SECONDS)
        except Exception as error:
            ends[order] = error


def listed(commands):
    return ", ".join(commands) or "no command"


def check_shipped(sent, end):
    if sent != ["reserve", "charge", "ship"]:
        raise Fault(
            "Nothing was refused for order 1, and the services got "
            f"{listed(sent)} instead of reserve, charge, ship."
        )
    if end != "shipped":
        raise Fault(f"Order 1 was shipped, and `place` returned {end!r}.")


def check_charge_refused(sent):
    if "ship" in sent:
        raise Fault(STARTS_WITH)
    if "refund" in sent:
        raise Fault(
            "The charge of order 2 was refused, and a refund was sent: nothing was "
            "charged, so there is nothing to give back."
        )
    if "release" not in sent:
        raise Fault(
            "The charge of order 2 was refused, and its stock was not released: the "
            "piece stays reserved for an order that there is not."
        )
    check_all(sent, "order 2", ["reserve", "charge", "release"])


def check_shipment_refused(sent):
    undos = [command for command in sent if command in ("refund", "release")]
    undone = list(dict.fromkeys(undos))
    if undone == ["release", "refund"]:
        raise Fault(
            "The shipment of order 3 was refused, and what was done first was undone "
            "first: a step may rest on those before it, so the last one goes first."
        )
    if len(undone) < 2:
        raise Fault(
            "The shipment of order 3 was refused. Stock was reserved and the card "
            f"charged before, and of these was undone: {listed(undone)}."
        )
    if undos.count("refund") == 1:
        raise Fault(
            "No reply came to the refund of order 3, and it was not asked for again: "
            "nobody knows whether the customer has the money back."
        )
    wanted = ["reserve", "charge", "ship", "refund", "refund", "release"]
    check_all(sent, "order 3", wanted)


def check_charge_unanswered(sent):
    if sent.count("charge") > 1:
        raise Fault(
            "No reply came to the charge of order 4, and it was asked for again: a "
            "step that can be undone has one try, so that the customer gets an answer."
        )
    if "ship" in sent:
        raise Fault(
            "No reply came to the charge of order 4, and the order was shipped: nobody "
            "knows whether it is paid for."
        )
    if "refund" not in sent:
        raise Fault(
            "No reply came to the charge of order 4, and no refund was sent: the card "
            "may have been charged and the reply lost, and then the customer has paid "
            "for nothing."
        )
    check_all(sent, "order 4", ["reserve", "charge", "refund", "release"])


def check_shipment_unanswered(sent):
    if "refund" in sent or "release" in sent:
        raise Fault(
            "No reply came to the shipment of order 5, and the order was undone: the "
            "parcel may be on its way, and then the customer has it for nothing."
        )
    check_all(sent, "order 5", ["reserve", "charge", "ship", "ship"])


def check_all(sent, order, wanted):
    if sent != wanted:
        raise Fault(
            f"For {order} the services got {listed(sent)}, and {listed(wanted)} was "
            "right."
        )

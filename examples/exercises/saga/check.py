"""Play the services for six orders, of which five meet a refusal or a silence."""

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
NEVER = "order 6"  # Its shipment is never answered.
SECONDS, PATIENCE = 2, 40  # Before no reply is none, and before no end is none.


def check(work, url, queue):
    """Raise Fault unless each order has ended all done or all undone."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        sent, ends = serve(work, connection, url, queue)
    for order in (each for each in sent if each != NEVER):
        check_ended(order, sent[order], ends)
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
    check_shipment_never_answered(sent[NEVER], ends)


def serve(work, connection, url, queue):
    """Play the services until all orders have ended; return what came and the ends."""
    channel, ends = connection.channel(), {}
    sent = {f"order {number}": [] for number in range(1, 7)}

    def reply(_channel, method, asked, body):
        order, command = body.decode(), asked.type
        first = command not in sent[order]
        sent[order].append(command)
        if method.routing_key != f"{queue}-{SERVICE.get(command)}":
            sent[order].append(f"{command} in the queue of another service")
        answer = FIRST.get((order, command), "done") if first else "done"
        if (order, command) == (NEVER, "ship"):
            answer = "silence"
        if answer != "silence":
            properties = pika.BasicProperties(correlation_id=asked.correlation_id)
            channel.basic_publish("", asked.reply_to, answer.encode(), properties)

    for service in set(SERVICE.values()):
        # A classic queue hands on what it has not written yet: no disk is waited for.
        name, arguments = f"{queue}-{service}", {"x-queue-type": "classic"}
        channel.queue_declare(name, durable=True, arguments=arguments)
        channel.basic_consume(name, reply, auto_ack=True)
    for order in sent:
        # An order that does not end must not keep the program from ending.
        arguments = (work, url, queue, order, ends)
        Thread(target=place, args=arguments, daemon=True).start()
    deadline = time.monotonic() + PATIENCE
    while not over(sent, ends) and time.monotonic() < deadline:
        connection.process_data_events(time_limit=0.05)
    connection.process_data_events(time_limit=0.1)  # What nobody waited for.
    return sent, ends


def over(sent, ends):
    """Tell whether all orders have ended, or all but one that asks for ever."""
    left = {*sent} - {*ends}
    return not left or (left == {NEVER} and sent[NEVER].count("ship") > 5)


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


def check_ended(order, sent, ends):
    if order not in ends:
        raise Fault(
            f"`place` has not ended for {order} after {PATIENCE} seconds. The services "
            f"got {listed(sent)}."
        )


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


def check_shipment_never_answered(sent, ends):
    if sent.count("ship") > 5:
        raise Fault(
            "No reply ever came to the shipment of order 6, and it was asked for more "
            "than five times: what asks for ever tells nobody that it is stuck."
        )
    check_ended(NEVER, sent, ends)
    end = ends[NEVER]
    if "refund" in sent or "release" in sent:
        raise Fault(
            "No reply ever came to the shipment of order 6, and the order was undone: "
            "the parcel may be on its way, and then the customer has it for nothing."
        )
    if isinstance(end, Exception) and not isinstance(end, TimeoutError):
        raise Fault(
            "No reply ever came to the shipment of order 6, and `place` ended with "
            f"{type(end).__name__}: {end} It is to raise TimeoutError after five tries."
        )
    if not isinstance(end, TimeoutError):
        raise Fault(
            "No reply ever came to the shipment of order 6, and `place` returned "
            f"{end!r}: nobody knows whether there is a parcel, and only an error says "
            "so."
        )
    check_all(sent, NEVER, ["reserve", "charge", *["ship"] * 5])


def check_all(sent, order, wanted):
    if sent != wanted:
        raise Fault(
            f"For {order} the services got {listed(sent)}, and {listed(wanted)} was "
            "right."
        )

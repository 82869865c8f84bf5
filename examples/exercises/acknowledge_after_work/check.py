"""Kill a worker at its work, and have the next one meet an order that is poison."""

import json
import os
import signal
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pika
from exercises import Fault
from exercises.another_process import run

STARTS_WITH = (
    "A worker was killed while it worked on order 2 of five, and the queue has none "
    "left: the broker took each order for done as soon as it had sent it, and four of "
    "them are lost."
)
PATIENCE = 10  # Seconds.


def check(work, url, queue):
    """Raise Fault unless only what was done is gone, and poison is set aside."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        send_orders(channel, queue)
        check_after_death(channel, queue, *let_work(work, url, queue, 5, "die"))
        _, given = let_work(work, url, queue, 4, "refuse")
        check_poison(channel, queue, given)
        check_window(given)
        check_empty(channel, queue)


def send_orders(channel, queue):
    """Send five orders to a queue that has a place for its dead letters."""
    quorum = {"x-queue-type": "quorum"}
    dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": f"{queue}-dead"}
    channel.queue_declare(f"{queue}-dead", durable=True, arguments=quorum)
    channel.queue_declare(queue, durable=True, arguments=quorum | dead)
    for number in range(1, 6):
        channel.basic_publish("", queue, f"order {number}".encode())


def let_work(work, url, queue, count, action):
    """Run the reader's worker; return its exit code and what it was given, in order."""
    with TemporaryDirectory() as folder:
        told = Path(folder, "told")
        told.touch()
        handle = partial(handle_order, url, queue, told, action)
        code = run(work.work, url, queue, handle, count)
        return code, [json.loads(line) for line in told.read_text().splitlines()]


def handle_order(url, queue, told, action, order):
    """Tell the order, and how many the queue has for others; then die, or refuse it."""
    with (
        pika.BlockingConnection(pika.URLParameters(url)) as connection,
        told.open("a") as lines,
    ):
        left = ask(connection.channel(), queue).message_count
        lines.write(json.dumps([order, left]) + "\n")
    if order == "order 2" and action == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if order == "order 2" and action == "refuse":
        raise ValueError("nobody can handle order 2")


def ask(channel, queue):
    """Return what the broker says of a queue: how many messages and consumers."""
    return channel.queue_declare(queue, passive=True).method


def wait_until(condition):
    """Ask until the condition holds; return whether it does."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def check_after_death(channel, queue, code, given):
    """Look what a worker has left that was killed at order 2."""
    wait_until(lambda: not ask(channel, queue).consumer_count)
    left = ask(channel, queue).message_count
    if code != -signal.SIGKILL:
        seen = (
            f"The queue had five orders, and `handle` was called with {len(given)} of "
            "them"
        )
        if given and left == 5:
            raise Fault(
                f"{seen}. All five are in the queue still, since the worker has "
                "acknowledged none: the broker waits for an acknowledgement before it "
                "sends more than may be on the way."
            )
        raise Fault(f"{seen}: each order of `count` is to be handled.")
    if left == 0:
        raise Fault(STARTS_WITH)
    if left < 4:
        raise Fault(
            "A worker was killed while it worked on order 2 of five, and the queue has "
            f"{left} left instead of four: order 2 was acknowledged before its work "
            "was done, and nobody will do it."
        )
    if left > 4:
        raise Fault(
            "A worker had done order 1 and was killed at order 2 of five, and the "
            "queue has all five: order 1 will be done again, since the worker had not "
            "told the broker that it was done."
        )


def check_poison(channel, queue, given):
    """Look at what a worker did that cannot handle order 2."""
    orders = [order for order, _ in given]
    if (times := orders.count("order 2")) > 1:
        raise Fault(
            f"Order 2 can be handled by nobody, and of {len(orders)} deliveries it was "
            f"{times}: the queue gets it back and sends it again at once, and the "
            "orders behind it wait."
        )
    if orders != (wanted := [f"order {number}" for number in range(2, 6)]):
        raise Fault(
            f"The next worker was to get {', '.join(wanted)}, and it got "
            f"{', '.join(orders) or 'none'}: one order that is refused must not stop "
            "those behind it."
        )
    if not wait_until(lambda: ask(channel, f"{queue}-dead").message_count):
        raise Fault(
            "Order 2 could not be handled, and it is not among the dead letters: "
            + (
                "it is still in the queue, and will be tried again."
                if ask(channel, queue).message_count
                else "the broker was told that it is done."
            )
        )


def check_window(given):
    """Look how many orders the queue had for others while the worker had one."""
    for wanted, (order, left) in zip((3, 2, 1, 0), given, strict=True):
        if left != wanted:
            raise Fault(
                f"While the worker was at {order}, the queue had {left} orders for "
                f"other workers instead of {wanted}: the broker has sent them ahead to "
                "this one, and there they wait."
            )


def check_empty(channel, queue):
    wait_until(lambda: not ask(channel, queue).consumer_count)
    if left := ask(channel, queue).message_count:
        raise Fault(
            f"All orders were done or refused, and the queue has {left} left: what is "
            "never acknowledged is done again."
        )

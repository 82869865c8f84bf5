"""Carry an order through three services, and undo what was done when one refuses.

`place(channel, queue, replies, order, seconds)` goes through STEPS and sends each
command to its service with `ask`; the reply is `done` or `refused`. All done: it
returns "shipped". One refused: it undoes those before, the last one first, and returns
"refused". No reply in time: nobody knows whether the step was done, so it is undone
too. Only what has no undo, and an undo itself, is asked again until there is a reply;
without one after five times `place` raises TimeoutError. A service does each command
of an order once, and answers as often as it is asked.
"""

import time
from uuid import uuid4

import pika

STEPS = [  # Each with its service, and with what undoes it.
    ("stock", "reserve", "release"),
    ("payment", "charge", "refund"),
    ("shipping", "ship", None),
]


def ask(channel, queue, replies, command, order, seconds):
    """Send a command to a service's queue; return its reply, or None without one."""
    deadline = time.monotonic() + seconds
    properties = pika.BasicProperties(
        reply_to=replies, correlation_id=str(uuid4()), type=command, delivery_mode=2
    )
    channel.basic_publish("", queue, order.encode(), properties)
    while (left := deadline - time.monotonic()) > 0:
        answers = channel.consume(replies, auto_ack=True, inactivity_timeout=left)
        _, answered, answer = next(answers)
        if answered and answered.correlation_id == properties.correlation_id:
            return answer.decode()
    return None


def place(channel, queue, replies, order, seconds):
    """Take all steps of an order, or undo those that were taken."""
    for service, command, _undo in STEPS:
        # Finish this: look at the reply, and go back when there is no way on.
        ask(channel, f"{queue}-{service}", replies, command, order, seconds)
    return "shipped"

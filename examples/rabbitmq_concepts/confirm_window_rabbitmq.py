"""Publish on without waiting, as long as less than a window of orders is unconfirmed.

Watch the answers: one confirm may stand for many orders, so fewer come than orders go.
"""

import sys
import time
from functools import partial
from uuid import uuid4

import pika

COUNT = 2000
PERSISTENT = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)


def send_orders(url, queue, count, window):
    """Send orders of 1 KiB; return the refused, the unanswered, and how many answers.

    The queue may have the unanswered or not: there are some only if the broker is lost.
    """
    tags = iter(range(1, count + 1))  # The broker counts alike what the channel sends.
    unconfirmed, refused, answers = {}, [], []

    def fill(channel):
        while len(unconfirmed) < window and (tag := next(tags, None)):
            order = unconfirmed[tag] = f"order {tag}"
            channel.basic_publish("", queue, order.ljust(1024).encode(), PERSISTENT)
        if not unconfirmed:
            channel.connection.close()

    def on_answer(channel, frame):
        last, many = frame.method.delivery_tag, frame.method.multiple
        done = [tag for tag in unconfirmed if tag == last or (many and tag < last)]
        orders = [unconfirmed.pop(tag) for tag in done]
        if isinstance(frame.method, pika.spec.Basic.Nack):
            refused.extend(orders)
        answers.append(frame.method)
        fill(channel)

    def on_channel(channel):
        channel.confirm_delivery(partial(on_answer, channel), lambda _: fill(channel))

    connection = pika.SelectConnection(
        pika.URLParameters(url),
        on_open_callback=lambda opened: opened.channel(on_open_callback=on_channel),
        on_close_callback=lambda closed, _: closed.ioloop.stop(),
    )
    connection.ioloop.call_later(60, connection.ioloop.stop)
    connection.ioloop.start()
    return refused, list(unconfirmed.values()), len(answers)


def measure(url, queue, window):
    """Send to a queue that refuses the last order; return the seconds and result."""
    limit = {"x-max-length": COUNT - 1, "x-overflow": "reject-publish"}
    arguments = {"x-queue-type": "classic", **limit}
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        connection.channel().queue_declare(queue, durable=True, arguments=arguments)
    begin = time.monotonic()
    result = send_orders(url, queue, COUNT, window)
    return time.monotonic() - begin, result


def main(url="amqp://localhost", queue=f"orders-{uuid4().hex[:8]}"):
    best = {}
    for window in (1, 500):
        runs = [measure(url, f"{queue}-{window}-{run}", window) for run in range(3)]
        best[window], (refused, unanswered, answers) = min(runs)
        print(f"window of {window}: refused {refused}, in doubt {unanswered}")
        print(f"  as many answers as orders: {answers == COUNT}")
    twice = best[1] > 2 * best[500]
    print(f"the window of 500 is at least twice as fast as that of 1: {twice}")


if __name__ == "__main__":
    main(*sys.argv[1:])

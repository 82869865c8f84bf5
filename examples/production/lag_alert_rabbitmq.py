"""An alert on how long nothing was acknowledged knows a burst from a stuck worker.

Watch the alert on the count: it wakes somebody for a burst that is gone a moment later,
and sleeps while twenty orders are with a worker that hangs.
"""

import re
import time
from urllib.request import urlopen

import pika

COUNT, IDLE = 100, 5  # Messages and seconds above which the alerts fire.


def send_orders(channel, queue, count):
    for number in range(1, count + 1):
        channel.basic_publish("", queue, f"order {number}".encode())


def figures(metrics, queue):
    """Return how many messages the queue has, ready or not, and how many were acked."""
    with urlopen(f"{metrics}/per-object", timeout=10) as answer:
        page = answer.read().decode()
    labels = f'{{vhost="/",queue="{queue}"}}'
    names = ("messages", "messages_acked_total")
    patterns = [re.escape(f"rabbitmq_queue_{name}{labels} ") for name in names]
    found = [re.search(f"^{each}(.+)", page, re.M) for each in patterns]
    return [int(each[1]) if each else 0 for each in found]


def watch(metrics, queue, meanwhile, over):
    """Look at the queue until it is `over`; return which of the two alerts fired."""
    fired, before = {"count": False, "idle": False}, 0
    last = start = time.monotonic()
    while (now := time.monotonic()) < start + 60:
        count, acked = figures(metrics, queue)
        if acked != before or not count:
            last, before = now, acked
        fired["count"] |= count > COUNT
        fired["idle"] |= now - last > IDLE
        if over(count, now - last):
            return fired
        meanwhile()
    raise TimeoutError("The queue did not become what was expected.")


def main(broker, metrics, queue="orders"):
    parameters = pika.URLParameters(broker.address)
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})

        def wait_a_little():
            connection.process_data_events(0.1)

        def handle_some():
            for _ in range(30):
                method, _, _ = channel.basic_get(queue)
                if method:
                    channel.basic_ack(method.delivery_tag)
            wait_a_little()

        send_orders(channel, queue, 300)
        watch(metrics, queue, wait_a_little, lambda count, idle: count == 300)
        fired = watch(metrics, queue, handle_some, lambda count, idle: not count)
        print(f"a burst of 300, handled at once: {fired}")
        channel.basic_consume(queue, lambda *order: None)  # It acknowledges nothing.
        send_orders(channel, queue, 20)
        fired = watch(metrics, queue, wait_a_little, lambda count, idle: idle > IDLE)
        print(f"20 orders and a worker that hangs: {fired}")

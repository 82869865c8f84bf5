"""What fails waits longer each time, in a queue per delay that ends in the work queue.

Watch order 2: it is done at once while order 1 waits, which ends as a dead letter.
"""

import sys
import time
from uuid import uuid4

import pika

DELAYS = (0.2, 0.5, 1.5)  # Seconds before the second, third and fourth attempt.
FAILURES = {"order 1": 9, "order 2": 0, "order 3": 2}


def declare(channel, queue):
    """Declare the work queue, a queue for each delay and one for dead letters."""
    quorum = {"x-queue-type": "quorum"}
    channel.queue_declare(queue, durable=True, arguments=quorum)
    channel.queue_declare(f"{queue}-dead", durable=True, arguments=quorum)
    for attempt, seconds in enumerate(DELAYS, 1):
        back = {
            "x-message-ttl": int(seconds * 1000),
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": queue,
        }
        name = f"{queue}-retry-{attempt}"
        channel.queue_declare(name, durable=True, arguments=quorum | back)


def put_off(channel, queue, order, attempt):
    """Send an order to wait for its next attempt, or to the dead letters."""
    last = attempt > len(DELAYS)
    properties = pika.BasicProperties(headers={"attempts": attempt}, delivery_mode=2)
    target = f"{queue}-dead" if last else f"{queue}-retry-{attempt}"
    channel.basic_publish("", target, order.encode(), properties)
    return "dead" if last else "put off"


def work(channel, queue):
    """Handle orders until each is done or dead; return what happened, and the waits."""
    events, failed, waits = [], {}, []
    for method, properties, body in channel.consume(queue, inactivity_timeout=20):
        order, headers = body.decode(), properties.headers or {}
        attempt = headers.get("attempts", 0) + 1
        if attempt > 1:
            waits.append((time.monotonic() - failed[order], DELAYS[attempt - 2]))
        outcome = "done"
        if attempt <= FAILURES[order]:
            failed[order] = time.monotonic()
            outcome = put_off(channel, queue, order, attempt)  # Confirmed, then
        channel.basic_ack(method.delivery_tag)  # acknowledged: never lost in between.
        events.append((order, attempt, outcome))
        if sum(event[2] != "put off" for event in events) == len(FAILURES):
            return events, waits


def main(url="amqp://guest:guest@localhost:5672/", queue=f"orders-{uuid4().hex[:8]}"):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        declare(channel, queue)
        for order in FAILURES:
            channel.basic_publish("", queue, order.encode())
        events, waits = work(channel, queue)
        _, properties, body = channel.basic_get(f"{queue}-dead", auto_ack=True)
    for order in FAILURES:
        print(f"{order}: {[event[1:] for event in events if event[0] == order]}")
    print(f"finished: {[event[0] for event in events if event[2] != 'put off']}")
    # RabbitMQ counts in whole milliseconds.
    print(f"too early: {sum(wait < delay - 0.01 for wait, delay in waits)}")
    print(f"dead letter: {body.decode()}, attempts: {properties.headers['attempts']}")


if __name__ == "__main__":
    main(*sys.argv[1:])

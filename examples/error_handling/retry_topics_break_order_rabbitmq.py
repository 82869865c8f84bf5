"""An order that waits for its retry is overtaken by the next one of its customer.

Watch Ann's orders: they stay in line if whatever comes behind a waiting one waits too.
"""

import sys
from collections import Counter, defaultdict
from uuid import uuid4

import pika

ORDERS = ["ann 1", "ann 2", "bob 1", "ann 3"]
FAILURES = {"ann 1": 2}  # How often each fails; the others never do.
DELAY = 0.5  # Seconds.


def handle(order, lines, failures, in_line):
    """Handle an order if it is its turn; tell whether it is done, or is to wait."""
    line = lines[order.split()[0]]  # What of this customer is not done yet.
    if order not in line:
        line.append(order)
    if in_line and line[0] != order:
        return False
    if failures[order]:
        failures[order] -= 1
        return False
    line.remove(order)
    return True


def work(channel, queue, in_line):
    """Send and handle all orders; return them as they were done."""
    arguments, done = {"x-queue-type": "quorum"}, []
    channel.queue_declare(queue, durable=True, arguments=arguments)
    arguments |= {
        "x-message-ttl": int(DELAY * 1000),
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": queue,
    }
    channel.queue_declare(f"{queue}-retry", durable=True, arguments=arguments)
    for order in ORDERS:
        channel.basic_publish("", queue, order.encode())
    lines, failures = defaultdict(list), Counter(FAILURES)
    for method, _, body in channel.consume(queue, inactivity_timeout=20):
        if handle(body.decode(), lines, failures, in_line):
            done.append(body.decode())
        else:
            channel.basic_publish("", f"{queue}-retry", body)
        channel.basic_ack(method.delivery_tag)
        if len(done) == len(ORDERS):
            channel.cancel()
            return done


def main(url="amqp://guest:guest@localhost:5672/", queue=f"orders-{uuid4().hex[:8]}"):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        print(f"each alone: {work(channel, f'{queue}-alone', in_line=False)}")
        print(f"in line: {work(channel, f'{queue}-in-line', in_line=True)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

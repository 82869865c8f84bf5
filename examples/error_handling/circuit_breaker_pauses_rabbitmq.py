"""When the bank is down, a circuit breaker lets the orders wait and probes with one.

Watch the calls and the dead letters: without a breaker all orders are given up.
"""

import sys
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from threading import Thread
from urllib.error import HTTPError
from urllib.request import urlopen
from uuid import uuid4

import pika


class Breaker:
    """Closed, it lets all calls pass; open, none; half-open, one, the probe."""

    def __init__(self, limit=3, wait=0.5):
        self.limit, self.wait = limit, wait  # Failures in a row, seconds.
        self.state, self.failures, self.opened = "closed", 0, 0

    def lets_pass(self):
        if self.state == "open" and time.monotonic() >= self.opened + self.wait:
            self.state = "half-open"
            return True
        return self.state == "closed"

    def note(self, success):
        self.failures = 0 if success else self.failures + 1
        if success:
            self.state = "closed"
        elif self.state == "half-open" or self.failures >= self.limit:
            self.state, self.opened = "open", time.monotonic()


class Bank(BaseHTTPRequestHandler):
    """Answers 503 while its server is down, and notes each call."""

    def do_GET(self):
        self.server.calls.append(self.path)
        self.send_response_only(503 if self.server.down else 200)
        self.end_headers()


def charge(bank, order):
    """Have the bank charge an order; return whether it did."""
    url = f"http://127.0.0.1:{bank.server_port}/{int(order)}"
    with suppress(HTTPError), urlopen(url, timeout=10):
        return True
    return False


def charge_all(channel, queue, bank, breaker):
    """Charge the orders in turn; yield after each call, with the order if it worked."""
    while True:
        if not breaker.lets_pass():
            channel.connection.sleep(0.1)
            continue
        method, _, order = next(channel.consume(queue, inactivity_timeout=20))
        success = charge(bank, order)
        breaker.note(success)
        if breaker.state == "open":
            channel.cancel()  # Before the order goes back, or it would come at once.
        if success:
            channel.basic_ack(method.delivery_tag)
        else:  # A nack is not counted against the delivery limit, a reject is.
            channel.basic_nack(method.delivery_tag, requeue=True)
        yield int(order) if success else None


def give_up_all(channel, queue, bank):
    """Try each of ten orders three times, and then send it to the dead letters."""
    for method, _, order in islice(channel.consume(queue, inactivity_timeout=20), 10):
        if any(charge(bank, order) for _ in range(3)):
            channel.basic_ack(method.delivery_tag)
        else:
            channel.basic_reject(method.delivery_tag, requeue=False)
    channel.cancel()


def declare(channel, queue, dead):
    arguments = {"x-queue-type": "quorum"}
    channel.queue_declare(dead, durable=True, arguments=arguments)
    arguments |= {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
    channel.queue_declare(queue, durable=True, arguments=arguments)


def count(channel, queue, least):
    """Return how many messages wait in a queue; give `least` of them time to arrive."""
    for _ in range(50):
        found = channel.queue_declare(queue, passive=True).method.message_count
        if found >= least:
            break
        channel.connection.sleep(0.1)
    return found


def main(url="amqp://guest:guest@localhost:5672/", queue=f"orders-{uuid4().hex[:8]}"):
    names, dead = [f"{queue}-without", f"{queue}-with"], f"{queue}-dead"
    bank = ThreadingHTTPServer(("127.0.0.1", 0), Bank)
    bank.down, bank.calls, breaker, charged = True, [], Breaker(), []
    Thread(target=bank.serve_forever, daemon=True).start()
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_qos(prefetch_count=1)
        for name in names:
            declare(channel, name, dead)
            for number in range(1, 11):
                channel.basic_publish("", name, str(number).encode())
        give_up_all(channel, names[0], bank)
        print(f"without a breaker: calls: {len(bank.calls)}", end=", ")
        print(f"dead letters: {count(channel, dead, 10)}")
        bank.calls.clear()
        for order in charge_all(channel, names[1], bank, breaker):
            charged += [order] if order else []
            if breaker.state == "open":
                print(f"open after call {len(bank.calls)}", end=", ")
                print(f"orders that wait: {count(channel, names[1], 10)}")
                bank.down = len(bank.calls) == 3  # The second time it is repaired.
            if order == 10:
                break
        print(f"with a breaker: calls: {len(bank.calls)}", end=", ")
        print(f"more dead letters: {count(channel, dead, 10) - 10}")
        print(f"charged: {charged}")
    bank.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])

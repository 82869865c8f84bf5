"""When the bank is down, a circuit breaker lets the orders wait and probes with one.

Watch the calls and the dead letters: without a breaker all orders are given up.
"""

import sys
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice, product
from threading import Thread
from urllib.error import HTTPError
from urllib.request import urlopen
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer, TopicPartition


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


def charge_all(worker, bank, breaker):
    """Charge the orders in turn; yield after each call, with the order if it worked."""
    while True:
        if breaker.lets_pass():
            worker.resume(*worker.paused())
        elif breaker.state == "open":
            worker.pause(*worker.assignment())  # A rebalance can bring more.
        # A paused partition gives nothing, and this poll keeps the worker in its group.
        for place, (record,) in worker.poll(100, max_records=1).items():
            success = charge(bank, record.value)
            breaker.note(success)
            if success:
                worker.commit()
            else:
                worker.seek(place, record.offset)
            yield int(record.value) if success else None


def give_up_all(worker, bank, producer, dead):
    """Try each of ten orders three times, and then send it to the dead letters."""
    for record in islice(worker, 10):
        if not any(charge(bank, record.value) for _ in range(3)):
            producer.send(dead, record.value).get(timeout=10)
        worker.commit()


def start_worker(bootstrap, topic):
    options = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
    options |= {"bootstrap_servers": bootstrap, "group_id": topic}
    worker = KafkaConsumer(topic, **options, consumer_timeout_ms=20000)
    worker.partitions_for_topic(topic)  # Whoever deals out partitions must know them.
    return worker


def count(worker, topic):
    """Return how many records of a topic the worker's group has not committed."""
    place = TopicPartition(topic, 0)
    return worker.end_offsets([place])[place] - (worker.committed(place) or 0)


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    names, dead = [f"{topic}-without", f"{topic}-with"], f"{topic}-dead"
    bank = ThreadingHTTPServer(("127.0.0.1", 0), Bank)
    bank.down, bank.calls, breaker, charged = True, [], Breaker(), []
    Thread(target=bank.serve_forever, daemon=True).start()
    with KafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        for name, number in product(names, range(1, 11)):
            producer.send(name, str(number).encode()).get(timeout=10)
        with start_worker(bootstrap, names[0]) as worker:
            give_up_all(worker, bank, producer, dead)
            print(f"without a breaker: calls: {len(bank.calls)}", end=", ")
            print(f"dead letters: {count(worker, dead)}")
    bank.calls.clear()
    with start_worker(bootstrap, names[1]) as worker:
        for order in charge_all(worker, bank, breaker):
            charged += [order] if order else []
            if breaker.state == "open":
                print(f"open after call {len(bank.calls)}", end=", ")
                print(f"orders that wait: {count(worker, names[1])}")
                bank.down = len(bank.calls) == 3  # The second time it is repaired.
            if order == 10:
                break
        print(f"with a breaker: calls: {len(bank.calls)}", end=", ")
        print(f"more dead letters: {count(worker, dead) - 10}")
        print(f"charged: {charged}")
    bank.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Trying again at once cures a hiccup and no outage, and every layer multiplies it.

Watch the calls: three layers that try three times each call the last service 27 times.
"""

import sys
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, repeat
from threading import Thread
from urllib.error import HTTPError
from urllib.request import urlopen
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer


@contextmanager
def serve(answer):
    """Serve the status that `answer()` returns; yield the URL and a list of calls."""
    calls = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            calls.append(self.path)
            self.send_response(answer())
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}", calls
        server.shutdown()


def retry(url, tries=3):
    """Call until the service answers 200, at most `tries` times; return the status."""
    for _ in range(tries):
        with suppress(HTTPError), urlopen(url, timeout=10) as answer:
            return answer.status
    return 503


def work(consumer, url):
    """Handle the next order with the service at `url`; return the order and how."""
    order = next(consumer).value.decode()
    status = retry(url)
    consumer.commit()
    return order, "charged" if status == 200 else f"given up with {status}"


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for number in range(1, 4):
            producer.send(topic, f"order {number}".encode()).get(timeout=10)
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=f"{topic}-workers",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        consumer_timeout_ms=20000,
    )
    hiccup, outage = chain(repeat(503, 2), repeat(200)), repeat(503)
    with consumer, ExitStack() as services:
        for name, statuses in (("two errors", hiccup), ("an outage", outage)):
            url, calls = services.enter_context(serve(partial(next, statuses)))
            print(f"{name}: {work(consumer, url)}, calls: {len(calls)}")
        below, calls = services.enter_context(serve(partial(next, outage)))
        for _ in range(2):  # Two services that try three times; the worker does too.
            below, _ = services.enter_context(serve(partial(retry, below)))
        print(f"three layers: {work(consumer, below)}, calls: {len(calls)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

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

import pika


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


def work(channel, queue, url):
    """Handle the next order with the service at `url`; return the order and how."""
    method, _, order = next(channel.consume(queue, inactivity_timeout=20))
    status = retry(url)
    channel.basic_ack(method.delivery_tag)
    return order.decode(), "charged" if status == 200 else f"given up with {status}"


def main(url="amqp://guest:guest@localhost:5672/", queue=f"orders-{uuid4().hex[:8]}"):
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    for number in range(1, 4):
        channel.basic_publish("", queue, f"order {number}".encode())
    hiccup, outage = chain(repeat(503, 2), repeat(200)), repeat(503)
    with connection, ExitStack() as services:
        for name, statuses in (("two errors", hiccup), ("an outage", outage)):
            service, calls = services.enter_context(serve(partial(next, statuses)))
            print(f"{name}: {work(channel, queue, service)}, calls: {len(calls)}")
        below, calls = services.enter_context(serve(partial(next, outage)))
        for _ in range(2):  # Two services that try three times; the worker does too.
            below, _ = services.enter_context(serve(partial(retry, below)))
        print(f"three layers: {work(channel, queue, below)}, calls: {len(calls)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

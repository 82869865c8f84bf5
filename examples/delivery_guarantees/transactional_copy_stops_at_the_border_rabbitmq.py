"""A transaction of RabbitMQ holds the invoice and the acknowledgement, not the e-mail.

Watch the e-mails: the worker dies after the first, and its successor sends it again.
"""

import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from multiprocessing import get_context
from threading import Thread
from urllib.request import Request, urlopen
from uuid import uuid4

import pika

PERSISTENT = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)


class MailService(BaseHTTPRequestHandler):
    """Stands for the mail provider: its server keeps what it would send."""

    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        key = self.headers["Idempotency-Key"] or uuid4().hex  # No key: a new e-mail.
        self.server.mails.setdefault(key, text)
        self.send_response(202)
        self.end_headers()

    def log_message(self, *args):
        """Write no line for each request."""


def invoice(url, queue, mail, keyed, dies=False):
    """Write the invoice of the next order and mail it, in one transaction."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.tx_select()  # The broker does what follows at the commit.
        method, _, order = next(channel.consume(queue, inactivity_timeout=20))
        text = b"invoice for " + order
        channel.basic_publish("", f"{queue}-invoices", text, PERSISTENT)
        channel.basic_ack(method.delivery_tag)
        headers = {"Idempotency-Key": order.decode()} if keyed else {}
        urlopen(Request(mail, text, headers), timeout=10).close()
        if dies:
            signal.raise_signal(signal.SIGKILL)
        channel.tx_commit()


def place_order(url, queue):
    """Make the two queues, and place an order in the first."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for name in (queue, f"{queue}-invoices"):
            channel.queue_declare(name, durable=True)
        channel.basic_publish("", queue, b"order 1", PERSISTENT)


def read(url, queue):
    """Return what is in the queue."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel, found = connection.channel(), []
        while (got := channel.basic_get(queue, auto_ack=True))[0]:
            found.append(got[2].decode())
        return found


def die_after_the_mail(url, queue, keyed):
    """Let a worker die and another go on; return the invoices and the e-mails."""
    place_order(url, queue)
    with HTTPServer(("127.0.0.1", 0), MailService) as service:
        service.mails = {}
        Thread(target=service.serve_forever, daemon=True).start()
        args = (url, queue, f"http://127.0.0.1:{service.server_port}", keyed)
        worker = get_context("spawn").Process(target=invoice, args=(*args, True))
        worker.start()
        worker.join(60)
        invoice(*args)
        service.shutdown()
    return read(url, f"{queue}-invoices"), list(service.mails.values())


def main(url="amqp://guest:guest@localhost:5672/", queue=f"orders-{uuid4().hex[:8]}"):
    for name, keyed in (("no key", False), ("a key", True)):
        invoices, mails = die_after_the_mail(url, f"{queue}-{keyed}", keyed)
        print(f"{name}: invoices {invoices}")
        print(f"{name}: e-mails {mails}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A transaction of Kafka holds the invoice and the position, but not the e-mail.

Watch the e-mails: the worker dies after the first, and its successor sends it again.
"""

import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from multiprocessing import get_context
from threading import Thread
from urllib.request import Request, urlopen
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata


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


def invoice(bootstrap, topic, mail, keyed, dies=False):
    """Write the invoice of the next order and mail it, in one transaction."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, transactional_id=topic)
    producer.init_transactions()  # Aborts what a dead worker has left open.
    with KafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=topic,
        auto_offset_reset="earliest",
        enable_auto_commit=False,  # The producer's transaction has the position.
        consumer_timeout_ms=20000,
    ) as consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        order = next(consumer)
        text = b"invoice for " + order.value
        producer.begin_transaction()
        producer.send(f"{topic}-invoices", text).get(timeout=10)
        position = {partition: OffsetAndMetadata(order.offset + 1, "", -1)}
        producer.send_offsets_to_transaction(position, consumer.group_metadata())
        headers = {"Idempotency-Key": order.value.decode()} if keyed else {}
        urlopen(Request(mail, text, headers), timeout=10).close()
        if dies:
            signal.raise_signal(signal.SIGKILL)
        producer.commit_transaction()
    producer.close()


def read(bootstrap, topic):
    """Return the topic's committed values, until none has come for two seconds."""
    with KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        consumer_timeout_ms=2000,
    ) as consumer:
        return [record.value.decode() for record in consumer]


def die_after_the_mail(bootstrap, topic, keyed):
    """Let a worker die and another go on; return the invoices and the e-mails."""
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        producer.send(topic, b"order 1").get(timeout=10)
    with HTTPServer(("127.0.0.1", 0), MailService) as service:
        service.mails = {}
        Thread(target=service.serve_forever, daemon=True).start()
        args = (bootstrap, topic, f"http://127.0.0.1:{service.server_port}", keyed)
        worker = get_context("spawn").Process(target=invoice, args=(*args, True))
        worker.start()
        worker.join(60)
        invoice(*args)
        service.shutdown()
    return read(bootstrap, f"{topic}-invoices"), list(service.mails.values())


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    for name, keyed in (("no key", False), ("a key", True)):
        invoices, mails = die_after_the_mail(bootstrap, f"{topic}-{keyed}", keyed)
        print(f"{name}: invoices {invoices}")
        print(f"{name}: e-mails {mails}")


if __name__ == "__main__":
    main(*sys.argv[1:])

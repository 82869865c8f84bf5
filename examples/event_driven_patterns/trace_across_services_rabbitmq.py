"""Each message carries its trace, its process and its cause to the next service.

Watch where the tree breaks if the bank forgets the headers, and the links of a batch.
"""

import sys
from itertools import islice
from uuid import uuid4

import pika
from opentelemetry import trace
from opentelemetry.propagate import extract, inject
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

SENDS, RECEIVES = trace.SpanKind.PRODUCER, trace.SpanKind.CONSUMER
QUORUM = {"x-queue-type": "quorum"}


def send(url, queue, tracer, event, cause=None):
    """Send an event; `cause` is the header table of the message that led to it."""
    headers = {"id": uuid4().hex, "causation_id": cause["id"] if cause else ""}
    headers["correlation_id"] = cause["correlation_id"] if cause else headers["id"]
    with tracer.start_as_current_span(f"send {event}", kind=SENDS):
        inject(headers)  # It adds traceparent, which names the current span.
        with pika.BlockingConnection(pika.URLParameters(url)) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.queue_declare(queue, durable=True, arguments=QUORUM)
            about = pika.BasicProperties(headers=headers, delivery_mode=2)
            channel.basic_publish("", queue, event.encode(), about)


def receive(url, queue, count=1):
    """Take messages from the queue and return their header tables."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        messages = channel.consume(queue, auto_ack=True, inactivity_timeout=20)
        return [about.headers for _, about, _ in islice(messages, count)]


def serve(url, source, target, tracer, event, passes_on=True):
    """Receive a message and send the event that it causes; return its headers."""
    (headers,) = receive(url, source)
    cause = headers if passes_on else {}
    with tracer.start_as_current_span("process", extract(cause), RECEIVES):
        send(url, target, tracer, event, cause)
    return headers


def serve_batch(url, source, tracer, count):
    """Treat several messages as one: the span has no parent, but a link to each."""
    senders = map(extract, receive(url, source, count))
    links = [trace.Link(trace.get_current_span(s).get_span_context()) for s in senders]
    tracer.start_span("process batch", kind=RECEIVES, links=links).end()


def show(spans, parent=None, indent="  "):
    """Print each span below `parent`, with its service, and those below it."""
    for span in sorted(spans, key=lambda span: span.start_time):
        if (span.parent and span.parent.span_id) == parent:
            links = f", {len(span.links)} links" if span.links else ""
            print(f"{indent}{span.instrumentation_scope.name}: {span.name}{links}")
            show(spans, span.context.span_id, indent + "  ")


def chain(url, queue, tracers, passes_on=True):
    """Let three services act by turns; return the header tables of their messages."""
    shop, bank, depot = tracers
    orders, payments, shipments = (f"{queue}-{number}" for number in range(3))
    send(url, orders, shop, "order")
    order = serve(url, orders, payments, bank, "payment", passes_on)
    payment = serve(url, payments, shipments, depot, "shipment")
    (shipment,) = receive(url, shipments)
    return order, payment, shipment


def main(url="amqp://guest:guest@localhost:5672/", queue=f"orders-{uuid4().hex[:8]}"):
    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    tracers = [provider.get_tracer(name) for name in ("shop", "bank", "depot")]
    for passes_on in (True, False):
        print(f"the bank passes the headers on: {passes_on}")
        order, paid, shipped = chain(url, f"{queue}-{passes_on}", tracers, passes_on)
        show(spans.get_finished_spans())
        print(f"  caused by the order: {paid['causation_id'] == order['id']}")
        same = shipped["correlation_id"] == order["correlation_id"]
        print(f"  the same process to its end: {same}")
        spans.clear()
    print("the depot treats two orders as one:")
    for _ in range(2):
        send(url, queue, tracers[0], "order")
    serve_batch(url, queue, tracers[2], 2)
    show(spans.get_finished_spans())


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What travels beside an event: its trace, its cause, and its envelope."""

import re

import pytest
from cloudevents.core.bindings import amqp
from cloudevents.core.bindings import kafka as kafka_binding
from cloudevents.core.bindings import rabbitmq as rabbitmq_binding
from cloudevents.core.exceptions import CloudEventValidationError
from cloudevents.core.v1.event import CloudEvent
from event_driven_patterns import (
    cloudevents_envelope_kafka,
    cloudevents_envelope_rabbitmq,
    trace_across_services_kafka,
    trace_across_services_rabbitmq,
)
from kafka import KafkaConsumer
from opentelemetry import trace
from opentelemetry.propagate import extract
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

BROKERS = ("kafka", "rabbitmq")
TRACES = {
    "kafka": trace_across_services_kafka,
    "rabbitmq": trace_across_services_rabbitmq,
}
ENVELOPES = {
    "kafka": (cloudevents_envelope_kafka, kafka_binding, "ce_"),
    "rabbitmq": (cloudevents_envelope_rabbitmq, rabbitmq_binding, "ce-"),
}


@pytest.fixture
def spans():
    """What the tracers of a test export to."""
    return InMemorySpanExporter()


@pytest.fixture
def tracers(spans):
    """The tracers of the three services."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return [provider.get_tracer(name) for name in ("shop", "bank", "depot")]


@pytest.fixture(params=BROKERS)
def broker(request):
    """The name of each broker by turns."""
    return request.param


@pytest.fixture
def address(request, broker):
    """Where that broker is."""
    return request.getfixturevalue(broker)


# The trace


def test_one_trace_goes_through_three_services(broker, address, topic, tracers, spans):
    TRACES[broker].chain(address, topic, tracers)
    finished = spans.get_finished_spans()
    names = {span.instrumentation_scope.name for span in finished}
    assert names == {"shop", "bank", "depot"}
    assert len({span.context.trace_id for span in finished}) == 1


def test_every_message_names_its_cause(broker, address, topic, tracers):
    order, payment, shipment = TRACES[broker].chain(address, topic, tracers)
    assert order["causation_id"] == ""
    assert payment["causation_id"] == order["id"]
    assert shipment["causation_id"] == payment["id"]


def test_every_message_of_a_process_has_the_same_correlation_id(
    broker, address, topic, tracers
):
    messages = TRACES[broker].chain(address, topic, tracers)
    assert {each["correlation_id"] for each in messages} == {messages[0]["id"]}


def test_a_service_that_drops_the_headers_begins_a_new_trace_and_process(
    broker, address, topic, tracers, spans
):
    order, payment, _ = TRACES[broker].chain(address, topic, tracers, passes_on=False)
    assert len({span.context.trace_id for span in spans.get_finished_spans()}) == 2
    assert payment["causation_id"] == ""
    assert payment["correlation_id"] != order["correlation_id"]


def test_a_batch_has_no_parent_and_a_link_to_each_sender(
    broker, address, topic, tracers, spans
):
    for _ in range(2):
        TRACES[broker].send(address, topic, tracers[0], "order")
    TRACES[broker].serve_batch(address, topic, tracers[2], 2)
    *sent, batch = spans.get_finished_spans()
    assert batch.parent is None
    assert {link.context.span_id for link in batch.links} == {
        span.context.span_id for span in sent
    }
    assert len({span.context.trace_id for span in (*sent, batch)}) == 3


def test_traceparent_is_a_version_two_ids_and_flags(broker, address, topic, tracers):
    TRACES[broker].send(address, topic, tracers[0], "order")
    (headers,) = TRACES[broker].receive(address, topic)
    form = r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[0-3]"
    assert re.fullmatch(form, headers["traceparent"])


def test_kafka_carries_the_header_as_bytes(kafka, topic, tracers):
    trace_across_services_kafka.send(kafka, topic, tracers[0], "order")
    with KafkaConsumer(
        topic, bootstrap_servers=kafka, auto_offset_reset="earliest"
    ) as consumer:
        headers = dict(next(consumer).headers)
    assert isinstance(headers["traceparent"], bytes)


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
    ],
)
def test_a_traceparent_that_is_not_valid_is_ignored(broken):
    context = extract({"traceparent": broken})
    assert not trace.get_current_span(context).get_span_context().is_valid


# The envelope


def exchanged(broker, address, topic, *messages):
    """Send the messages and return them as they were received."""
    program = ENVELOPES[broker][0]
    program.send(address, topic, messages)
    return program.receive(address, topic, len(messages))


def order(broker):
    return ENVELOPES[broker][0].event("order", 1, {"price": 12})


def test_binary_mode_carries_the_attributes_as_headers(broker, address, topic):
    _, binding, prefix = ENVELOPES[broker]
    (message,) = exchanged(
        broker, address, topic, binding.to_binary_event(order(broker))
    )
    for name in ("id", "source", "specversion", "type", "time"):
        assert prefix + name in message.headers
    assert (message.value if broker == "kafka" else message.body) == b'{"price": 12}'


def test_structured_mode_carries_everything_in_the_body(broker, address, topic):
    _, binding, prefix = ENVELOPES[broker]
    sent = binding.to_structured_event(order(broker))
    (message,) = exchanged(broker, address, topic, sent)
    assert not [name for name in message.headers if name.startswith(prefix)]
    if broker == "kafka":
        kind, body = message.headers["content-type"].decode(), message.value
    else:
        kind, body = message.content_type, message.body
    assert kind == "application/cloudevents+json"
    assert b'"type": "shop.order"' in body


def test_both_modes_carry_the_same_event(broker, address, topic):
    _, binding, _ = ENVELOPES[broker]
    sent = order(broker)
    forms = binding.to_binary_event(sent), binding.to_structured_event(sent)
    read = getattr(binding, f"from_{broker}_event")
    one, two = map(read, exchanged(broker, address, topic, *forms))
    assert one.get_attributes() == two.get_attributes() == sent.get_attributes()
    assert one.get_data() == two.get_data() == {"price": 12}


def test_a_consumer_routes_on_the_type_without_reading_the_data(broker, address, topic):
    program, binding, _ = ENVELOPES[broker]
    payment = program.event("payment", 1, b"\xff no JSON", "application/json")
    (message,) = exchanged(broker, address, topic, binding.to_binary_event(payment))
    assert program.handle(message, set()).startswith("shop.payment: not for this")


def test_source_and_id_tell_a_duplicate_in_either_mode(broker, address, topic):
    program, binding, _ = ENVELOPES[broker]
    sent, seen = order(broker), set()
    forms = binding.to_binary_event(sent), binding.to_structured_event(sent)
    one, two = exchanged(broker, address, topic, *forms)
    assert "handled" in program.handle(one, seen)
    assert "duplicate" in program.handle(two, seen)
    assert seen == {("/shop/checkout", "order-1")}


def test_the_sdk_refuses_an_event_without_source_or_type():
    with pytest.raises(CloudEventValidationError) as caught:
        CloudEvent({"id": "1"})
    assert set(caught.value.errors) == {"source", "type"}


def test_the_sdk_fills_in_what_the_specification_requires_as_id_and_version():
    event = CloudEvent({"source": "/shop", "type": "shop.order"})
    assert event.get_specversion() == "1.0"
    assert len(event.get_id()) == 36  # A random UUID.


def test_the_name_of_an_attribute_has_lower_case_letters_and_digits_only():
    with pytest.raises(CloudEventValidationError, match="lowercase letters"):
        CloudEvent({"source": "/shop", "type": "shop.order", "causation_id": "1"})


def test_the_partition_key_becomes_the_key_of_the_record():
    assert kafka_binding.to_binary_event(order("kafka")).key == "ann"


def test_each_of_the_three_bindings_has_a_prefix_of_its_own():
    headers = [
        kafka_binding.to_binary_event(order("rabbitmq")).headers,
        rabbitmq_binding.to_binary_event(order("rabbitmq")).headers,
        amqp.to_binary_event(order("rabbitmq")).application_properties,
    ]
    for prefix, names in zip(("ce_", "ce-", "cloudEvents_"), headers, strict=True):
        assert f"{prefix}type" in names


def test_a_structured_record_that_repeats_an_attribute_as_a_header_is_misread():
    sent = kafka_binding.to_structured_event(order("kafka"))
    both = {**sent.headers, "ce_type": b"shop.order"}
    message = kafka_binding.KafkaMessage(both, sent.key, sent.value)
    with pytest.raises(CloudEventValidationError):
        kafka_binding.from_kafka_event(message)

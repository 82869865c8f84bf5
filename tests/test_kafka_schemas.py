"""Chapter 3: what a record carries, and which changes of its schema are accepted."""

import io
import json
import os
import signal
import subprocess
import sys
from itertools import zip_longest
from pathlib import Path

import fastavro
import psutil
import pytest
from brokers import BrokerError
from brokers import schema_registry as harness
from brokers.process import is_free
from brokers.programs import fetch
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import (
    MessageField,
    SerializationContext,
    SerializationError,
)
from kafka_patterns import avro_roundtrip_kafka, compatibility_modes_kafka
from kafka_patterns.avro_roundtrip_kafka import NEWER, ORDER, read, receive, send_order
from kafka_patterns.compatibility_modes_kafka import CHANGES, MODES, accepts, order
from waiting import until

ROOT = Path(__file__).parents[1]
LAMP = {"number": 5, "item": "lamp", "cents": 490}


@pytest.fixture(scope="module")
def client(registry):
    """A client of the registry that the tests share."""
    with SchemaRegistryClient({"url": registry, "timeout": 5}) as client:
        yield client


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """An Apicurio Registry that tests may kill; they leave it running."""
    node = harness.make_node(tmp_path_factory.mktemp("registry"))
    node.start()
    yield node
    node.kill()


def impatient(node):
    """Return a client of the registry of `node` that tries only twice more.

    Apicurio 3.3.3 leaves a request for a path that it does not have without an answer
    now and then, and the serializer's first one is of that kind.
    """
    limits = {"timeout": 5, "max.retries": 2}
    return SchemaRegistryClient({"url": node.address, **limits})


@pytest.fixture
def apicurio(node):
    """A client of the registry of `node`."""
    with impatient(node) as client:
        yield client


@pytest.fixture
def avro(kafka, client, topic):
    """The value of a record that holds an order."""
    send_order(kafka, client, topic, ORDER, LAMP)
    (value,) = receive(kafka, topic, 1)
    return value


# What is in a record, and who can read it.


def test_kafka_record_begins_with_zero_and_the_id_of_its_schema(avro, client, topic):
    registered = client.get_latest_version(f"{topic}-value")
    assert avro[:5] == b"\0" + registered.schema_id.to_bytes(4)
    assert json.loads(registered.schema.schema_str) == json.loads(ORDER)


def test_avro_holds_values_without_the_names_of_their_fields(avro):
    assert not any(name.encode() in avro for name in LAMP)
    with_names = json.dumps(LAMP, separators=(",", ":"))
    assert len(avro) < len(with_names) / 2


def test_consumer_with_a_newer_schema_reads_an_old_order(
    kafka, registry, topic, capsys
):
    avro_roundtrip_kafka.main(kafka, registry, topic)
    printed = capsys.readouterr().out
    assert "the id is the registry's: True\n" in printed
    assert printed.endswith(f"read with newer: {LAMP | {'currency': 'EUR'}}\n")


def test_consumer_with_an_older_schema_reads_a_new_order(kafka, client, topic):
    send_order(kafka, client, topic, NEWER, LAMP | {"currency": "USD"})
    (value,) = receive(kafka, topic, 1)
    assert read(client, topic, ORDER, value) == LAMP


def test_consumer_reads_two_versions_of_a_schema_in_one_topic(kafka, client, topic):
    send_order(kafka, client, topic, ORDER, LAMP)
    send_order(kafka, client, topic, NEWER, LAMP | {"currency": "USD"})
    old, new = receive(kafka, topic, 2)
    assert old[:5] != new[:5]
    assert [read(client, topic, NEWER, value)["currency"] for value in (old, new)] == [
        "EUR",
        "USD",
    ]


def test_avro_with_the_wrong_writers_schema_is_read_as_something_else(avro):
    wrong = json.loads(ORDER)
    del wrong["fields"][0]
    read_as = fastavro.schemaless_reader(io.BytesIO(avro[5:]), wrong)
    assert read_as == {"item": "\x08lamp", "cents": 490}


def test_an_unknown_id_is_an_error_that_names_it(avro, client, topic):
    unknown = avro[:1] + (2_000_000_000).to_bytes(4) + avro[5:]
    with pytest.raises(SchemaRegistryError, match=r"2000000000.*404"):
        read(client, topic, ORDER, unknown)


def test_kafka_takes_what_the_deserializer_refuses(kafka, client, topic):
    producer = Producer({"bootstrap.servers": kafka})
    producer.produce(topic, json.dumps(LAMP).encode())
    assert producer.flush(10) == 0
    (value,) = receive(kafka, topic, 1)
    with pytest.raises(SerializationError, match=r"Invalid magic byte"):
        read(client, topic, ORDER, value)


def test_consumer_reads_on_without_the_registry_what_it_has_a_schema_for(
    node, apicurio, topic
):
    place = SerializationContext(topic, MessageField.VALUE)
    old = AvroSerializer(apicurio, ORDER)(LAMP, place)
    new = AvroSerializer(apicurio, NEWER)(LAMP | {"currency": "USD"}, place)
    with impatient(node) as consumers:
        deserialize = AvroDeserializer(consumers, ORDER)
        assert deserialize(old, place) == LAMP
        node.kill()
        try:
            assert deserialize(old, place) == LAMP
            with pytest.raises(Exception, match="Connection refused"):
                deserialize(new, place)
        finally:
            node.start()


# Registering.


@pytest.mark.parametrize(
    ("part", "ending"), [(MessageField.VALUE, "value"), (MessageField.KEY, "key")]
)
def test_a_subject_is_the_topic_and_the_part_of_the_record(client, topic, part, ending):
    AvroSerializer(client, ORDER)(LAMP, SerializationContext(topic, part))
    assert client.get_versions(f"{topic}-{ending}") == [1]


def test_the_same_schema_has_one_id_and_one_version(client, topic):
    one, again = (client.register_schema(topic, order([])) for _ in range(2))
    elsewhere = client.register_schema(f"{topic}-other", order([]))
    assert one == again == elsewhere
    assert client.get_versions(topic) == [1]


def test_serializer_registers_its_schema_unless_it_is_told_not_to(client, topic):
    place = SerializationContext(topic, MessageField.VALUE)
    serialize = AvroSerializer(client, ORDER, conf={"auto.register.schemas": False})
    with pytest.raises(SchemaRegistryError, match=r"not found.*404"):
        serialize(LAMP, place)
    AvroSerializer(client, ORDER)(LAMP, place)
    assert serialize(LAMP, place)[:1] == b"\0"


def test_an_incompatible_schema_is_refused_with_its_reason(client, topic):
    client.set_compatibility(topic, "BACKWARD")
    client.register_schema(topic, order([{"name": "cents", "type": "int"}]))
    with pytest.raises(SchemaRegistryError) as refused:
        client.register_schema(topic, order([{"name": "cents", "type": "string"}]))
    assert refused.value.http_status_code == 409
    reason = "reader type: STRING not compatible with writer type: INT"
    assert reason in refused.value.error_message
    assert client.get_versions(topic) == [1]


def test_a_refused_schema_stops_the_producer_before_it_sends(kafka, client, topic):
    send_order(kafka, client, topic, ORDER, LAMP)
    client.set_compatibility(f"{topic}-value", "BACKWARD")
    other = ORDER.replace('"int"', '"string"')
    with pytest.raises(SchemaRegistryError, match="409"):
        send_order(kafka, client, topic, other, LAMP | {"cents": "490"})
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": topic})
    assert consumer.get_watermark_offsets(TopicPartition(topic, 0), 10) == (0, 1)
    consumer.close()


def test_apicurio_checks_nothing_until_a_mode_is_set(apicurio, topic):
    assert apicurio.get_compatibility() == "NONE"
    assert all(
        apicurio.register_schema(topic, order([{"name": "cents", "type": kind}]))
        for kind in ("int", "string")
    )


# The modes. Each answer is compared with reading.


def values(kind):
    """Return values of an Avro type that leave out none of what it may hold."""
    if isinstance(kind, dict):
        return kind["symbols"]
    return {"int": [7], "long": [7], "string": ["fragile"]}[kind]


def orders(schema):
    """Return orders that together hold each of the values of each field."""
    fields = schema["fields"]
    columns = [values(field["type"]) for field in fields]
    for row in zip_longest(*columns):
        filled = (
            column[0] if value is None else value
            for value, column in zip(row, columns, strict=True)
        )
        yield dict(zip((field["name"] for field in fields), filled, strict=True))


def can_read(new, old):
    """Tell whether a reader with schema `new` can read every order written as `old`."""
    for each in orders(old):
        written = io.BytesIO()
        fastavro.schemaless_writer(written, old, each)
        written.seek(0)
        try:
            fastavro.schemaless_reader(written, old, new)
        except fastavro.read.SchemaResolutionError:
            return False
    return True


def by_reading(mode, versions):
    """Return what a mode should answer to the last version, from reading alone."""
    *earlier, last = [json.loads(order(fields).schema_str) for fields in versions]
    kind, _, transitive = mode.partition("_")
    return all(
        (kind not in ("BACKWARD", "FULL") or can_read(last, each))
        and (kind not in ("FORWARD", "FULL") or can_read(each, last))
        for each in (earlier if transitive else earlier[-1:])
    )


@pytest.mark.parametrize("change", CHANGES)
def test_registry_accepts_what_can_be_read(client, topic, change):
    versions = CHANGES[change]
    answers = {
        mode: accepts(client, f"{topic}-{mode}", mode, versions) for mode in MODES
    }
    assert answers == {mode: by_reading(mode, versions) for mode in MODES}


@pytest.mark.parametrize("change", [each for each in CHANGES if len(CHANGES[each]) > 2])
def test_registry_accepts_every_step_but_the_last(client, topic, change):
    earlier = CHANGES[change][:-1]
    assert all(accepts(client, f"{topic}-{mode}", mode, earlier) for mode in MODES)


def test_transitive_modes_refuse_what_fits_only_the_last_version(
    kafka, registry, topic, capsys
):
    compatibility_modes_kafka.main(kafka, registry, topic)
    *_, drop, remove, other = capsys.readouterr().out.splitlines()
    assert drop.split()[-7:] == ["yes", "no", "yes", "yes", "yes", "no", "yes"]
    assert remove.split()[-7:] == ["yes", "yes", "yes", "no", "yes", "no", "yes"]
    assert other.split()[-7:] == ["yes", "no", "yes", "no", "yes", "no", "yes"]


def test_a_rename_that_every_mode_accepts_loses_the_value(client, topic):
    versions = CHANGES["rename without, both with a default"]
    assert accepts(client, topic, "FULL_TRANSITIVE", versions)
    old, new = (json.loads(order(fields).schema_str) for fields in versions)
    written = io.BytesIO()
    fastavro.schemaless_writer(written, old, {"id": 7, "note": "fragile"})
    written.seek(0)
    read_as = fastavro.schemaless_reader(written, old, new)
    assert read_as == {"id": 7, "remark": ""}


def test_apicurio_asked_without_a_mode_answers_for_backward(apicurio, topic):
    one, other = (
        order([{"name": "cents", "type": kind}]) for kind in ("int", "string")
    )
    apicurio.register_schema(topic, one)
    assert not apicurio.test_compatibility(topic, other)
    assert apicurio.register_schema(topic, other)


@pytest.mark.parametrize("mode", ["BACKWARD", "BACKWARD_TRANSITIVE"])
def test_apicurio_asked_about_all_versions_or_the_last_does_not_heed_the_mode(
    apicurio, topic, mode
):
    *earlier, last = map(order, CHANGES["remove it, then add it as an int"])
    apicurio.set_compatibility(topic, mode)
    for each in earlier:
        apicurio.register_schema(topic, each)
    assert apicurio.test_compatibility(topic, last)
    assert not apicurio.test_compatibility_all_versions(topic, last)


# The registry of this computer.


def test_registry_listens_on_this_computer_only_and_calls_nobody(node, apicurio, topic):
    apicurio.register_schema(topic, order([]))
    connections = psutil.Process(node.pid).net_connections()
    assert {each.laddr.ip for each in connections} == {"::ffff:127.0.0.1"}
    heard = [each for each in connections if each.status == psutil.CONN_LISTEN]
    ports = {each.laddr.port for each in heard}
    assert len(ports) == 2  # For clients and for health and metrics.
    assert all(each.laddr.port in ports for each in connections)


def test_registry_leaves_no_files_beside_its_folder(node):
    assert (node.folder / "vertx-cache").is_dir()  # Java would put it into /tmp.


def test_registry_that_was_killed_starts_again_and_has_forgotten(node, apicurio, topic):
    apicurio.register_schema(topic, order([]))
    node.kill()
    assert not node.running
    node.start()
    assert topic not in apicurio.get_subjects()


@pytest.fixture
def none_of_yours(monkeypatch):
    monkeypatch.delenv(harness.VARIABLE, raising=False)


def test_registry_ends_with_an_error_in_the_run(none_of_yours):
    def fail():
        with harness.registry("") as url:
            ports.append(int(url.split(":")[2].split("/")[0]))
            raise LookupError

    ports = []
    with pytest.raises(LookupError):
        fail()
    assert is_free(ports[0])


def test_registry_ends_with_ctrl_c_and_leaves_nothing(tmp_path):
    program = """if True:
        import signal, time
        from brokers.schema_registry import registry
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with registry("") as url:
            print(url, flush=True)
            time.sleep(60)
    """
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": "examples"}
    environment.pop(harness.VARIABLE, None)
    command = [sys.executable, "-c", program]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, env=environment, **options) as run:
        url = run.stdout.readline()
        started = psutil.Process(run.pid).children(recursive=True)
        assert "java" in [each.name() for each in started]
        run.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in run.communicate(timeout=30)[1]
    assert until(lambda: not any(each.is_running() for each in started), 10)
    assert is_free(int(url.split(":")[2].split("/")[0]))
    assert not list(tmp_path.iterdir())


def test_your_registry_is_used_and_none_is_started(node, monkeypatch):
    monkeypatch.setenv(harness.VARIABLE, node.address)
    before = psutil.Process().children()
    with harness.registry("") as url:
        assert url == node.address
        assert psutil.Process().children() == before


def test_your_registry_that_does_not_answer_is_named_without_its_password(monkeypatch):
    monkeypatch.setenv(harness.VARIABLE, "http://me:secret@127.0.0.1:9/")
    expected = r"^No Schema Registry answers at http://127\.0\.0\.1:9/: correct SCHEMA_"
    with pytest.raises(BrokerError, match=expected), harness.registry(""):
        pass


def test_nothing_is_downloaded_when_the_registry_is_your_own(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("SCHEMA_REGISTRY_URL", "http://localhost:8081")
    fetch({"registry"})
    assert not list(tmp_path.iterdir())

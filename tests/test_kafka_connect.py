"""Kafka Connect, of chapter 3: a real worker, its file connectors and its REST API."""

import json
from itertools import islice
from urllib.error import HTTPError
from uuid import uuid4

import psutil
import pytest
from brokers import BrokerError
from brokers.kafka_connect import connect as start_connect
from brokers.kafka_connect import make_node
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka_patterns import file_to_topic_to_file_kafka, sink_dead_letters_kafka
from kafka_patterns.file_to_topic_to_file_kafka import ask, read, receive
from listening import listeners
from waiting import until

TEXT = "org.apache.kafka.connect.storage.StringConverter"
JSON = "org.apache.kafka.connect.json.JsonConverter"
GOOD, BAD = b'"order 1"', b"order 2, not JSON"


@pytest.fixture
def connector(connect, topic):
    """The URL of a connector, which a test creates; it is deleted at the end."""
    url = f"{connect}/connectors/{topic}"
    yield url
    if topic in ask("GET", f"{connect}/connectors"):
        ask("DELETE", url)


@pytest.fixture(scope="module")
def worker(kafka, tmp_path_factory):
    """A worker of this module's own, since the tests stop and kill it."""
    worker = make_node(kafka, tmp_path_factory.mktemp("worker"))
    worker.start()
    yield worker
    worker.stop()


@pytest.fixture
def orders(tmp_path):
    """A file with two orders."""
    file = tmp_path / "orders.txt"
    file.write_text("order 1\norder 2\n")
    return file


@pytest.fixture
def copy(tmp_path):
    """The path of the file that a sink writes."""
    return tmp_path / "copy.txt"


def source(file, topic, **more):
    """Return how to make a record of each line of `file`, as text."""
    names = {"connector.class": "FileStreamSource", "value.converter": TEXT}
    return {**names, "file": str(file), "topic": topic, **more}


def sink(topic, file, **more):
    """Return how to make a line of each record in `topic`, which must be JSON."""
    return sink_dead_letters_kafka.sink(topic, file) | more


def create(connector, configuration):
    """Create the connector, or change its configuration."""
    ask("PUT", f"{connector}/config", configuration)


def refused(connector, configuration):
    """Have the configuration refused, and return the sentence."""
    with pytest.raises(HTTPError) as refusal:
        create(connector, configuration)
    assert refusal.value.code == 400
    return json.load(refusal.value)["message"]


def states(connector):
    """Return the state of the connector and those of its tasks."""
    status = ask("GET", f"{connector}/status")
    return [each["state"] for each in (status["connector"], *status["tasks"])]


def stop(connector):
    """Have the connector's tasks ended, so that its offsets are stored."""
    ask("PUT", f"{connector}/stop")
    assert until(lambda: states(connector) == ["STOPPED"])


def offsets(connector):
    """Return what is stored about how far the connector is."""
    return [each["offset"] for each in ask("GET", f"{connector}/offsets")["offsets"]]


def failed(connector):
    """Wait until the connector's task has failed, and return the reason."""
    assert until(lambda: states(connector) == ["RUNNING", "FAILED"])
    return ask("GET", f"{connector}/status")["tasks"][0]["trace"]


def send(kafka, topic, *values):
    with KafkaProducer(bootstrap_servers=kafka) as producer:
        for value in values:
            producer.send(topic, value).get(timeout=10)


def everything(kafka, topic):
    """Return all the values that the topic holds now."""
    with KafkaConsumer(bootstrap_servers=kafka, consumer_timeout_ms=10000) as consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        end = consumer.end_offsets([partition])[partition]
        return [record.value for record in islice(consumer, end)]


def topics(kafka):
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        return admin.list_topics()


# A source reads, a sink writes, and both are configuration.


def test_a_source_makes_a_record_of_each_line_and_its_transform_changes_it(
    kafka, connector, topic, orders
):
    create(connector, file_to_topic_to_file_kafka.source(orders, topic))
    assert receive(kafka, topic, 2) == ['{"order":"order 1"}', '{"order":"order 2"}']


def test_a_sink_makes_a_line_of_each_record_that_is_in_the_topic_already(
    kafka, connector, topic, copy
):
    send(kafka, topic, b"order 1", b"order 2")
    create(connector, file_to_topic_to_file_kafka.sink(topic, copy))
    assert read(copy, 2) == ["order 1", "order 2"]


def test_a_source_goes_on_with_what_is_appended(kafka, connector, topic, orders):
    create(connector, source(orders, topic))
    receive(kafka, topic, 2)
    with orders.open("a") as file:
        file.write("order 3\n")
    assert receive(kafka, topic, 3) == ["order 1", "order 2", "order 3"]


def test_tasks_max_is_an_upper_limit_and_a_file_has_one_reader(
    connector, topic, orders
):
    create(connector, source(orders, topic, **{"tasks.max": "3"}))
    assert until(lambda: states(connector) == ["RUNNING"] * 2)


def test_the_tasks_of_a_sink_are_members_of_its_consumer_group(
    kafka, connector, topic, copy
):
    send(kafka, topic, GOOD)
    create(connector, sink(topic, copy, **{"tasks.max": "2"}))
    group = f"connect-{topic}"
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        assert until(lambda: len(admin.describe_groups([group])[group]["members"]) == 2)


def test_a_source_creates_its_topic_as_its_configuration_says(
    kafka, connector, topic, orders
):
    form = {"partitions": "3", "replication.factor": "1"}
    more = {f"topic.creation.default.{key}": value for key, value in form.items()}
    create(connector, source(orders, topic, **more))
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        assert until(lambda: topic in admin.list_topics())
        assert len(admin.describe_topics([topic])[0]["partitions"]) == 3


# The REST API.


def test_a_configuration_without_what_it_needs_is_refused_with_a_sentence(
    connector, orders
):
    configuration = {"connector.class": "FileStreamSource", "file": str(orders)}
    sentence = refused(connector, configuration)
    assert 'Missing required configuration "topic"' in sentence


def test_a_configuration_can_be_validated_without_a_connector(connect, topic):
    url = f"{connect}/connector-plugins/FileStreamSource/config/validate"
    result = ask("PUT", url, {"connector.class": "FileStreamSource", "name": topic})
    errors = {
        each["value"]["name"]: each["value"]["errors"]
        for each in result["configs"]
        if each["value"]["errors"]
    }
    assert errors == {
        "topic": ['Missing required configuration "topic" which has no default value.']
    }


def test_a_connector_that_is_in_no_plugin_is_refused(connector):
    sentence = refused(connector, {"connector.class": "JdbcSource"})
    assert sentence.startswith("Failed to find any class that implements Connector")


def test_a_paused_source_reads_nothing_and_a_resumed_one_goes_on(
    kafka, connector, topic, orders
):
    create(connector, source(orders, topic))
    receive(kafka, topic, 2)
    ask("PUT", f"{connector}/pause")
    assert until(lambda: states(connector) == ["PAUSED"] * 2)
    with orders.open("a") as file:
        file.write("order 3\n")
    # A running one looks into its file once a second.
    assert not until(lambda: len(everything(kafka, topic)) == 3, seconds=3)
    ask("PUT", f"{connector}/resume")
    assert receive(kafka, topic, 3)[2:] == ["order 3"]


# How far a connector is.


def test_a_source_stores_its_place_in_the_file(kafka, connector, topic, orders):
    create(connector, source(orders, topic))
    receive(kafka, topic, 2)
    stop(connector)
    assert offsets(connector) == [{"position": len("order 1\norder 2\n")}]


def test_a_sink_stores_its_offset_as_a_consumer_group(kafka, connector, topic, copy):
    send(kafka, topic, GOOD, GOOD)
    create(connector, sink(topic, copy))
    read(copy, 2)
    stop(connector)
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        group = f"connect-{topic}"
        stored = admin.list_group_offsets({group: [TopicPartition(topic, 0)]})
    assert [each.offset for each in stored[group].values()] == [2]


def test_a_new_source_of_an_old_name_goes_on_where_the_deleted_one_was(
    kafka, connector, topic, orders
):
    create(connector, source(orders, topic))
    receive(kafka, topic, 2)
    ask("DELETE", connector)
    with orders.open("a") as file:
        file.write("order 3\n")
    create(connector, source(orders, f"{topic}-again"))
    assert receive(kafka, f"{topic}-again", 1) == ["order 3"]


def test_a_source_goes_on_at_its_offset_when_the_worker_was_restarted(
    kafka, worker, topic, orders
):
    connector = f"{worker.address}/connectors/{topic}"
    create(connector, source(orders, topic))
    receive(kafka, topic, 2)
    stop(connector)  # Its offset is stored then, however slow the worker's end is.
    worker.stop()
    with orders.open("a") as file:
        file.write("order 3\n")
    worker.start()
    create(connector, source(orders, topic))
    receive(kafka, topic, 3)
    assert everything(kafka, topic) == [b"order 1", b"order 2", b"order 3"]


@pytest.fixture(scope="module")
def killed(kafka, worker, tmp_path_factory):
    """A source and a sink whose worker was killed and started after two lines each.

    What the worker then knew of them, the source's topic and the sink's file.
    """
    folder, topic = tmp_path_factory.mktemp("files"), f"orders-{uuid4().hex}"
    url, orders, copy = worker.address, folder / "orders.txt", folder / "copy.txt"
    orders.write_text("order 1\norder 2\n")
    send(kafka, f"{topic}-other", GOOD, GOOD)
    # The new member takes the dead one's place, for which it would wait 45 seconds.
    static = {"consumer.override.group.instance.id": topic}
    both = {
        "source": source(orders, topic),
        "sink": sink(f"{topic}-other", copy, **static),
    }
    for name, configuration in both.items():
        create(f"{url}/connectors/{topic}-{name}", configuration)
    receive(kafka, topic, 2)
    read(copy, 2)
    worker.kill()
    worker.start()
    known = ask("GET", f"{url}/connectors")
    for name, configuration in both.items():
        create(f"{url}/connectors/{topic}-{name}", configuration)
    return known, topic, copy


def test_a_standalone_worker_forgets_its_connectors(killed):
    known, _, _ = killed
    assert known == []


def test_a_source_repeats_lines_when_the_worker_was_killed(kafka, killed):
    _, topic, _ = killed
    assert receive(kafka, topic, 4) == ["order 1", "order 2"] * 2


def test_a_sink_repeats_records_when_the_worker_was_killed(killed):
    _, _, copy = killed
    assert read(copy, 4) == ["order 1"] * 4


def test_a_standalone_worker_ignores_that_exactly_once_is_required(
    kafka, connector, topic, orders
):
    create(connector, source(orders, topic, **{"exactly.once.support": "required"}))
    assert receive(kafka, topic, 2) == ["order 1", "order 2"]


# What a sink cannot read.


def test_a_sink_fails_at_a_record_that_it_cannot_read(kafka, connector, topic, copy):
    send(kafka, topic, BAD)
    create(connector, sink(topic, copy))
    trace = failed(connector)
    assert "ConnectException: Tolerance exceeded in error handler" in trace
    assert "Unrecognized token 'order'" in trace


def test_a_good_record_waits_with_the_bad_one_of_its_batch(
    kafka, connector, topic, copy
):
    send(kafka, topic, GOOD, BAD, GOOD)
    create(connector, sink(topic, copy))
    failed(connector)
    assert copy.read_text() == ""


def test_the_error_settings_are_off_by_default(connect, topic):
    url = f"{connect}/connector-plugins/FileStreamSink/config/validate"
    names = {"connector.class": "FileStreamSink", "name": topic, "topics": topic}
    defaults = {
        each["definition"]["name"]: each["definition"]["default_value"]
        for each in ask("PUT", url, names)["configs"]
        if each["definition"]["name"].startswith("errors.")
    }
    assert defaults == {
        "errors.tolerance": "none",
        "errors.retry.timeout": "0",
        "errors.retry.delay.max.ms": "60000",
        "errors.log.enable": "false",
        "errors.log.include.messages": "false",
        "errors.deadletterqueue.topic.name": "",
        "errors.deadletterqueue.topic.replication.factor": "3",
        "errors.deadletterqueue.context.headers.enable": "false",
    }


def test_a_dead_letter_has_the_bytes_of_the_bad_record_and_where_it_was(
    kafka, connector, topic, copy
):
    send(kafka, topic, GOOD, BAD, GOOD)
    dead_letters = sink_dead_letters_kafka.dead_letters(f"{topic}-dead")
    create(connector, sink(topic, copy, **dead_letters))
    letter = sink_dead_letters_kafka.receive(kafka, f"{topic}-dead")
    context = {
        name.removeprefix("__connect.errors."): value.decode()
        for name, value in letter.headers
    }
    assert "Unrecognized token" in context.pop("exception.stacktrace")
    assert letter.value == BAD
    assert context == {
        "topic": topic,
        "partition": "0",
        "offset": "1",
        "connector.name": topic,
        "task.id": "0",
        "stage": "VALUE_CONVERTER",
        "class.name": JSON,
        "exception.class.name": "org.apache.kafka.connect.errors.DataException",
        "exception.message": "Converting byte[] to Kafka Connect data failed due to "
        "serialization error: ",
    }


def test_a_sink_with_dead_letters_writes_the_good_records(
    kafka, connector, topic, copy
):
    send(kafka, topic, GOOD, BAD, GOOD)
    dead_letters = sink_dead_letters_kafka.dead_letters(f"{topic}-dead")
    create(connector, sink(topic, copy, **dead_letters))
    assert read(copy, 2) == ["order 1"] * 2


def test_a_dead_letter_has_no_context_by_default(kafka, connector, topic, copy):
    send(kafka, topic, BAD)
    dead_letters = sink_dead_letters_kafka.dead_letters(f"{topic}-dead")
    del dead_letters["errors.deadletterqueue.context.headers.enable"]
    create(connector, sink(topic, copy, **dead_letters))
    letter = sink_dead_letters_kafka.receive(kafka, f"{topic}-dead")
    assert list(letter.headers) == []


def test_dead_letters_without_tolerance_stop_the_task_and_double_with_each_restart(
    kafka, connector, topic, copy
):
    send(kafka, topic, BAD)
    dead_letters = sink_dead_letters_kafka.dead_letters(f"{topic}-dead")
    dead_letters["errors.tolerance"] = "none"
    create(connector, sink(topic, copy, **dead_letters))
    failed(connector)
    ask("POST", f"{connector}/tasks/0/restart")
    assert until(lambda: everything(kafka, f"{topic}-dead") == [BAD, BAD])
    failed(connector)


def test_tolerance_without_dead_letters_drops_the_bad_record(
    kafka, connector, topic, copy
):
    send(kafka, topic, BAD, GOOD)
    create(connector, sink(topic, copy, **{"errors.tolerance": "all"}))
    assert read(copy, 1) == ["order 1"]
    stop(connector)
    assert [each["kafka_offset"] for each in offsets(connector)] == [2]


def test_dead_letters_need_three_brokers_by_default(kafka, connector, topic, copy):
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        if len(admin.describe_cluster()["brokers"]) > 2:
            pytest.skip("This Kafka has three brokers.")
    send(kafka, topic, GOOD)
    dead_letters = sink_dead_letters_kafka.dead_letters(f"{topic}-dead")
    del dead_letters["errors.deadletterqueue.topic.replication.factor"]
    create(connector, sink(topic, copy, **dead_letters))
    assert "InvalidReplicationFactorException" in failed(connector)


def test_a_source_has_no_dead_letters_and_drops_what_it_tolerates(
    kafka, connector, topic, tmp_path
):
    numbers = tmp_path / "numbers.txt"
    numbers.write_text("1\ntwo\n3\n")
    cast = "org.apache.kafka.connect.transforms.Cast$Value"
    transform = {"transforms": "cast", "transforms.cast.type": cast}
    transform["transforms.cast.spec"] = "int32"
    dead_letters = sink_dead_letters_kafka.dead_letters(f"{topic}-dead")
    create(connector, source(numbers, topic, **transform, **dead_letters))
    assert receive(kafka, topic, 2) == ["1", "3"]
    stop(connector)
    assert f"{topic}-dead" not in topics(kafka)


def test_a_failed_task_runs_again_when_it_is_restarted_and_its_connector_is_not_enough(
    kafka, connector, topic, tmp_path
):
    send(kafka, topic, GOOD)
    folder = tmp_path / "missing"
    create(connector, sink(topic, folder / "copy.txt"))
    failed(connector)
    folder.mkdir()
    ask("POST", f"{connector}/restart")
    assert not until(lambda: states(connector) == ["RUNNING"] * 2, seconds=1)
    ask("POST", f"{connector}/restart?includeTasks=true&onlyFailed=true")
    assert until(lambda: states(connector) == ["RUNNING"] * 2)


def test_a_sink_passes_a_bad_record_when_its_offset_is_moved(
    kafka, connector, topic, copy
):
    send(kafka, topic, BAD, GOOD)
    create(connector, sink(topic, copy))
    failed(connector)
    stop(connector)
    partition = {"kafka_topic": topic, "kafka_partition": 0}
    moved = {"partition": partition, "offset": {"kafka_offset": 1}}
    ask("PATCH", f"{connector}/offsets", {"offsets": [moved]})
    ask("PUT", f"{connector}/resume")
    assert read(copy, 1) == ["order 1"]


# A converter is a promise about the bytes in the topic.


def test_json_of_a_source_has_its_schema_in_every_record_by_default(
    kafka, connector, topic, orders
):
    create(connector, source(orders, topic, **{"value.converter": JSON}))
    schema = '{"schema":{"type":"string","optional":false},"payload":"order 1"}'
    assert receive(kafka, topic, 1) == [schema]


def test_json_of_a_sink_needs_its_schema_in_every_record_by_default(
    kafka, connector, topic, copy
):
    send(kafka, topic, b'{"order": 1}')
    configuration = sink(topic, copy)
    del configuration["value.converter.schemas.enable"]
    create(connector, configuration)
    assert 'requires "schema" and "payload" fields' in failed(connector)


# What Connect is to Kafka, and to this computer.


def test_the_producer_of_a_source_is_not_idempotent_by_default(
    kafka, connector, topic, orders
):
    create(connector, source(orders, topic))
    receive(kafka, topic, 2)
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        partition = TopicPartition(topic, 0)
        state = admin.describe_producers([partition])[partition]
    assert state.active_producers == []


def test_the_worker_listens_on_this_computer_only(worker):
    found = listeners(psutil.Process(worker.pid))
    assert [f"http://{host}:{port}" for host, port in found] == [worker.address]


def test_your_own_worker_is_used_and_none_is_started(kafka, connect, monkeypatch):
    monkeypatch.setenv("KAFKA_CONNECT_URL", f"{connect}/")
    with start_connect(kafka) as url:
        assert url == connect


def test_a_url_where_no_worker_answers_is_refused_with_a_sentence(
    kafka, connect, monkeypatch
):
    monkeypatch.setenv("KAFKA_CONNECT_URL", f"http://{kafka}")
    sentence = "No Kafka Connect answers at"
    with pytest.raises(BrokerError, match=sentence), start_connect(kafka):
        pass

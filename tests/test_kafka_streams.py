"""The claims of chapter 3 about Kafka Streams, and its harness."""

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from uuid import uuid4

import pytest
from brokers import BrokerError
from brokers.kafka_streams import java
from brokers.kafka_streams import streams as start_streams
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType
from kafka_patterns import (
    exactly_once_restart_kafka,
    orders_join_customers_kafka,
    windowed_revenue_in_python_kafka,
    windowed_revenue_kafka,
    word_count_kafka,
)
from quixstreams import Application
from quixstreams.dataframe.windows import Sum
from waiting import until

ERRORS = "org.apache.kafka.streams.errors"


@pytest.fixture(scope="module")
def streams(kafka):
    """What starts Kafka Streams programs; each is compiled once for all tests."""
    with start_streams(kafka) as start:
        yield start


def create(bootstrap, *topics, partitions=1):
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics(
            {topic: {"num_partitions": partitions} for topic in topics},
            wait_for_metadata=True,
        )


def settings_of(bootstrap, topic):
    """Return the settings that a topic was made with."""
    resource = ConfigResource(ConfigResourceType.TOPIC, topic)
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        settings = admin.describe_configs([resource])["topic"][topic]
    return {name: setting["value"] for name, setting in settings.items()}


# A table, and the stream of its changes.


@contextmanager
def counting(kafka, streams, topic, settings=None):
    """Run the word count on the topic `topic`, which is made for it."""
    create(kafka, topic, f"{topic}-counts")
    own = {"application.id": f"{topic}-app", "statestore.cache.max.bytes": "0"}
    own |= settings or {}
    with streams(word_count_kafka.JAVA, own, topic, f"{topic}-counts") as program:
        yield program


def search(kafka, topic, text):
    word_count_kafka.send_searches(kafka, topic, [text])


def updates(kafka, topic, count):
    return word_count_kafka.receive_updates(kafka, f"{topic}-counts", count)


@pytest.fixture(scope="module")
def counted(kafka, streams):
    """One run of the word count that ended cleanly, and its group after that."""
    topic = f"searches-{uuid4().hex}"
    application = f"{topic}-app"
    with counting(kafka, streams, topic) as program:
        search(kafka, topic, "red lamp red")
        found = updates(kafka, topic, 3)
        program.stop()
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        group = admin.describe_groups([application])[application]
    return SimpleNamespace(application=application, updates=found, group=group)


def test_streams_table_sends_on_each_of_its_changes(counted):
    assert counted.updates == [("red", 1), ("lamp", 1), ("red", 2)]


def test_streams_cache_skips_updates_that_the_next_one_replaces(kafka, streams, topic):
    cache = {"statestore.cache.max.bytes": "10485760", "commit.interval.ms": "2000"}
    with counting(kafka, streams, topic, cache):
        search(kafka, topic, "lamp " * 50)
        found = updates(kafka, topic, 1)
        while found[-1] != ("lamp", 50):
            found = updates(kafka, topic, len(found) + 1)
        assert len(found) < 50


def test_streams_keeps_a_table_in_a_compacted_topic_and_regroups_through_another(
    kafka, counted
):
    own = word_count_kafka.topics_of(kafka, counted.application)
    assert own == ["by-word-repartition", "counts-changelog"]
    changelog = settings_of(kafka, f"{counted.application}-counts-changelog")
    repartition = settings_of(kafka, f"{counted.application}-by-word-repartition")
    assert changelog["cleanup.policy"] == "compact"
    assert repartition["cleanup.policy"] == "delete"
    assert repartition["retention.ms"] == "-1"  # It is emptied as it is read.


def test_streams_program_that_ended_cleanly_is_still_a_member(counted):
    assert len(counted.group["members"]) == 1


def test_streams_table_outlives_the_local_state(kafka, streams, topic):
    with counting(kafka, streams, topic, {"group.instance.id": "1"}) as program:
        search(kafka, topic, "lamp lamp")
        assert updates(kafka, topic, 2)[-1] == ("lamp", 2)
        program.stop()
        shutil.rmtree(program.folder / "state")
        program.start()
        search(kafka, topic, "lamp")
        assert updates(kafka, topic, 3)[-1] == ("lamp", 3)


def test_streams_program_runs_on_the_streams_protocol_too(kafka, streams, topic):
    with counting(kafka, streams, topic, {"group.protocol": "streams"}):
        search(kafka, topic, "lamp")
        assert updates(kafka, topic, 1) == [("lamp", 1)]
        with KafkaAdminClient(bootstrap_servers=kafka) as admin:
            groups = admin.list_groups()
        types = {each["group_id"]: each["group_type"] for each in groups}
        assert types[f"{topic}-app"] == "streams"


def test_streams_program_ends_if_its_topic_is_missing(streams, topic):
    settings = {"application.id": f"{topic}-app"}
    with (
        pytest.raises(BrokerError, match="MissingSourceTopicException"),
        streams(word_count_kafka.JAVA, settings, topic, f"{topic}-counts"),
    ):
        pass


# A stream joined with a table.


def customers_and_orders(kafka, topic, partitions=1):
    """Make the topics of the join, and return their names in the order of its call."""
    customers, parcels = f"{topic}-customers", f"{topic}-parcels"
    create(kafka, topic, partitions=partitions)
    create(kafka, customers, parcels)
    return topic, customers, parcels


@pytest.fixture(scope="module")
def parcels(kafka, streams):
    """What the join makes of five orders."""
    join = orders_join_customers_kafka
    topics = customers_and_orders(kafka, f"orders-{uuid4().hex}")
    orders, customers, parcels = topics
    records = [
        (orders, b"ann", b"order 1"),
        (customers, b"ann", b"Berlin"),
        (orders, b"ann", b"order 2"),
        (customers, b"ann", b"Paris"),
        (orders, b"ann", b"order 3"),
        (customers, b"ann", None),
        (orders, b"ann", b"order 4"),
        (customers, b"ann", b"Rome"),
        (orders, b"ann", b"order 5"),
    ]
    settings = {"application.id": f"{orders}-app", "commit.interval.ms": "100"}
    with streams(join.JAVA, settings, *topics):
        join.send_one_by_one(kafka, f"{orders}-app", records)
    return join.receive_parcels(kafka, parcels, 3)


def test_streams_joins_an_order_with_what_the_table_says_then(parcels):
    assert parcels[:2] == ["order 2 to Berlin", "order 3 to Paris"]


def test_streams_table_forgets_a_customer_whose_value_is_null(parcels):
    assert parcels[2:] == ["order 5 to Rome"]


def test_streams_joins_nothing_in_a_partition_that_the_table_lacks(
    kafka, streams, topic
):
    join = orders_join_customers_kafka
    topics = customers_and_orders(kafka, topic, partitions=2)
    orders, customers, parcels = topics
    settings = {"application.id": f"{topic}-app", "commit.interval.ms": "100"}
    records = [
        (customers, b"ann", b"Berlin"),
        (customers, b"dan", b"Paris"),
        (orders, b"dan", b"order 1"),  # In partition 1 of 2, and Ann's is in 0.
        (orders, b"ann", b"order 2"),
    ]
    with streams(join.JAVA, settings, *topics):
        join.send_one_by_one(kafka, f"{topic}-app", records)
    assert join.receive_parcels(kafka, parcels, 1) == ["order 2 to Berlin"]


def test_streams_protocol_refuses_such_topics(kafka, streams, topic):
    topics = customers_and_orders(kafka, topic, partitions=2)
    settings = {"application.id": f"{topic}-app", "group.protocol": "streams"}
    with (
        pytest.raises(BrokerError, match="do not have the same number of partitions"),
        streams(orders_join_customers_kafka.JAVA, settings, *topics),
    ):
        pass


# Windows of the time at which something happened.

SUMS = [(0, 37), (1, 8)]


@contextmanager
def adding_up(kafka, streams, topic, settings=None):
    """Run the sums on the topic `topic`, which is made for it."""
    create(kafka, topic, f"{topic}-sums")
    own = {"application.id": f"{topic}-app", "statestore.cache.max.bytes": "0"}
    own |= settings or {}
    java = windowed_revenue_kafka.JAVA
    with streams(java, own, topic, f"{topic}-sums") as program:
        yield program


def send_orders(kafka, topic, orders, shop=b"berlin"):
    windowed_revenue_kafka.send_orders(kafka, topic, orders, shop)


def sums(kafka, topic):
    return windowed_revenue_kafka.receive_sums(kafka, f"{topic}-sums")


@pytest.fixture(scope="module")
def added_up(kafka, streams):
    """One run of the sums: what came out before and after an order of another shop."""
    topic = f"orders-{uuid4().hex}"
    with adding_up(kafka, streams, topic) as program:
        send_orders(kafka, topic, windowed_revenue_kafka.ORDERS)
        before = sums(kafka, topic)
        send_orders(kafka, topic, [(300, 1)], b"paris")
        after, log = sums(kafka, topic), program.log
    changelog = settings_of(kafka, f"{topic}-app-sums-changelog")
    return SimpleNamespace(before=before, after=after, log=log, changelog=changelog)


def test_streams_counts_a_late_order_within_grace_and_drops_one_after_it(added_up):
    assert added_up.before == SUMS


def test_streams_warns_once_of_the_order_that_it_dropped(added_up):
    assert added_up.log.count("Skipping record for expired window") == 1


def test_streams_closes_a_window_by_a_later_order_of_any_shop(added_up):
    assert added_up.after == [*SUMS, (3, 50)]


def test_streams_keeps_windows_for_a_day_after_their_grace(added_up):
    assert added_up.changelog["cleanup.policy"] == "compact,delete"
    retention = int(added_up.changelog["retention.ms"])
    assert retention == 1000 * (60 + 30 + 24 * 3600)


def test_quix_gives_the_same_sums(kafka, topic, tmp_path):
    twin = windowed_revenue_in_python_kafka
    assert twin.ORDERS == windowed_revenue_kafka.ORDERS
    twin.send_orders(kafka, topic, twin.ORDERS)
    assert twin.add_up(kafka, topic, tmp_path) == SUMS


def test_quix_knows_late_orders_and_closed_windows_by_their_shop(
    kafka, topic, tmp_path
):
    twin = windowed_revenue_in_python_kafka
    twin.send_orders(kafka, topic, [(10, 1)], b"berlin")
    twin.send_orders(kafka, topic, [(200, 2)], b"paris")
    twin.send_orders(kafka, topic, [(20, 4), (100, 8)], b"berlin")
    assert twin.add_up(kafka, topic, tmp_path) == [(0, 5)]


def test_quix_by_partition_opens_a_closed_window_again(kafka, topic, tmp_path):
    twin = windowed_revenue_in_python_kafka
    twin.send_orders(kafka, topic, twin.ORDERS)
    application = Application(
        kafka,
        consumer_group=topic,
        auto_offset_reset="earliest",
        state_dir=tmp_path,
        loglevel="ERROR",
    )
    orders = application.dataframe(application.topic(topic))
    minutes = orders.tumbling_window(timedelta(minutes=1), timedelta(seconds=30))
    minutes.agg(euros=Sum()).current("partition")
    results = application.run(timeout=5)
    sums = [(twin.minute(each["start"]), each["euros"]) for each in results]
    assert sums[-3:] == [(1, 8), (0, 100), (3, 50)]


# A record that the program cannot handle.


def send_nonsense(kafka, topic):
    with KafkaProducer(bootstrap_servers=kafka) as producer:
        producer.send(topic, b"ten euros", key=b"berlin")


def first_record(kafka, topic):
    with KafkaConsumer(
        topic,
        bootstrap_servers=kafka,
        auto_offset_reset="earliest",
        consumer_timeout_ms=20000,
    ) as consumer:
        return next(consumer)


def test_streams_program_ends_at_a_record_that_it_cannot_handle(kafka, streams, topic):
    with adding_up(kafka, streams, topic) as program:
        send_nonsense(kafka, topic)
        assert until(lambda: not program.running)
        assert "NumberFormatException" in program.log


def test_streams_can_put_such_a_record_aside_and_go_on(kafka, streams, topic):
    settings = {
        "processing.exception.handler": (
            f"{ERRORS}.LogAndContinueProcessingExceptionHandler"
        ),
        "errors.dead.letter.queue.topic.name": f"{topic}-dead",
    }
    create(kafka, f"{topic}-dead")
    with adding_up(kafka, streams, topic, settings):
        send_nonsense(kafka, topic)
        send_orders(kafka, topic, [(10, 1), (100, 1)])
        assert first_record(kafka, f"{topic}-sums").value.endswith(b" 1")
        record = first_record(kafka, f"{topic}-dead")
    assert (record.key, record.value) == (b"berlin", b"ten euros")
    headers = dict(record.headers)
    assert headers["__streams.errors.exception"] == b"java.lang.NumberFormatException"
    assert headers["__streams.errors.topic"] == topic.encode()


# A restart between two commits.


@pytest.fixture(scope="module")
def restarted(kafka, streams):
    """What was committed at the kill and came out in the end, with each guarantee."""
    topic = f"orders-{uuid4().hex}"
    run = partial(exactly_once_restart_kafka.count_orders, kafka, streams, topic)
    guarantees = exactly_once_restart_kafka.GUARANTEES
    with ThreadPoolExecutor(2) as threads:
        exactly_once, at_least_once = threads.map(run, guarantees)
    counts = f"{topic}-exactly_once_v2-counts"
    read = exactly_once_restart_kafka.read_counts
    return SimpleNamespace(
        exactly_once=exactly_once,
        at_least_once=at_least_once,
        uncommitted=read(kafka, counts, 1000, "read_uncommitted"),
    )


def test_exactly_once_counts_each_order_once_though_it_was_killed(restarted):
    assert restarted.exactly_once == (50, list(range(1, 101)))


def test_at_least_once_counts_some_orders_twice_when_it_was_killed(restarted):
    committed_at_kill, counts = restarted.at_least_once
    assert committed_at_kill == 50
    assert max(counts) > 100


def test_reader_of_uncommitted_results_sees_those_that_were_aborted(restarted):
    assert set(restarted.uncommitted) == set(range(1, 101))
    assert len(restarted.uncommitted) > 100


# What the installed version does unless it is told otherwise.

DEFAULTS = """
import java.util.Map;
import org.apache.kafka.streams.StreamsConfig;

class Defaults {
    public static void main(String[] guarantee) {
        var own = Map.of(
            "application.id", "app",
            "bootstrap.servers", "localhost:9092",
            "processing.guarantee", guarantee[0]);
        var config = new StreamsConfig(own);
        config.values().forEach(Defaults::print);
        config.getMainConsumerConfigs("app", "app", 0).forEach(Defaults::print);
        config.getProducerConfigs("app").forEach(Defaults::print);
    }

    static void print(String name, Object value) {
        System.out.println(name + "=" + value);
    }
}
"""


def defaults(folder, guarantee):
    source = folder / "defaults_kafka.java"
    source.write_text(DEFAULTS)
    command = [*java(source, folder), guarantee]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(line.split("=", 1) for line in run.stdout.splitlines() if "=" in line)


def test_streams_commits_every_30_seconds_and_with_exactly_once_every_100_ms(tmp_path):
    usual = defaults(tmp_path, "at_least_once")
    exactly = defaults(tmp_path, "exactly_once_v2")
    assert usual["commit.interval.ms"] == "30000"
    assert exactly["commit.interval.ms"] == "100"
    assert exactly["isolation.level"] == "read_committed"
    assert exactly["transaction.timeout.ms"] == "10000"


def test_streams_defaults(tmp_path):
    actual = defaults(tmp_path, "at_least_once")
    expected = {
        "auto.offset.reset": "earliest",
        "deserialization.exception.handler": f"{ERRORS}.LogAndFailExceptionHandler",
        "errors.dead.letter.queue.topic.name": "null",
        "group.protocol": "classic",
        "num.standby.replicas": "0",
        "num.stream.threads": "1",
        "processing.exception.handler": (
            f"{ERRORS}.LogAndFailProcessingExceptionHandler"
        ),
        "processing.guarantee": "at_least_once",
        "state.dir": f"{tmp_path}/kafka-streams",  # Java's folder of temporary files.
        "statestore.cache.max.bytes": str(10 * 1024 * 1024),
    }
    assert {name: actual[name].removeprefix("class ") for name in expected} == expected


# The harness.


def test_program_that_does_not_compile_ends_in_the_compilers_words(streams, tmp_path):
    source = tmp_path / "wrong_kafka.java"
    source.write_text("class Wrong { int count = none; }")
    with (
        pytest.raises(BrokerError, match=r"(?s)wrong_kafka.java does not.*none cannot"),
        streams(source, {}),
    ):
        pass

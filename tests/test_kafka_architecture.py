"""The claims of chapter 2, Kafka architecture, that one node can show."""

import ctypes
import random
import re
import subprocess
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import cache
from itertools import islice

import kafka as kafka_python
import pika
import pytest
from brokers import kafka as start_kafka
from brokers.kafka_node import java
from confluent_kafka import (
    AcknowledgeType,
    KafkaException,
    Producer,
    ShareConsumer,
    cimpl,
)
from kafka import (
    KafkaAdminClient,
    KafkaConsumer,
    KafkaProducer,
    OffsetAndMetadata,
    TopicPartition,
)
from kafka.admin import ConfigResource
from kafka.errors import (
    InvalidConfigurationError,
    InvalidRecordError,
    InvalidTimestampError,
    MessageSizeTooLargeError,
    OffsetOutOfRangeError,
)
from kafka.partitioner import DefaultPartitioner
from kafka_architecture import (
    batching_and_linger_kafka,
    compaction_keeps_latest_kafka,
    delivery_limit_gives_up_kafka,
    delivery_limit_gives_up_rabbitmq,
    group_shares_partitions_kafka,
    more_consumers_than_partitions_kafka,
    more_consumers_than_partitions_rabbitmq,
    null_keys_spread_kafka,
    one_key_one_partition_kafka,
    replay_from_offset_kafka,
    replay_from_offset_rabbitmq,
    replay_from_time_kafka,
    replay_from_time_rabbitmq,
    retention_removes_segments_kafka,
    retention_removes_segments_rabbitmq,
    same_key_other_client_kafka,
    share_group_queue_kafka,
)
from reading import read_on
from waiting import until

DAY = 24 * 60 * 60 * 1000  # Milliseconds.
KIB = 1024
MIB = 1024 * KIB
UNLIMITED = str(2**63 - 1)


@pytest.fixture
def admin(kafka):
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        yield admin


@pytest.fixture
def create(admin, topic):
    """A function that makes the test's topic with these settings."""

    def create(partitions=1, **configs):
        named = {key.replace("_", "."): str(configs[key]) for key in configs}
        options = {"num_partitions": partitions, "configs": named}
        admin.create_topics({topic: options}, wait_for_metadata=True)

    return create


@pytest.fixture
def producer(kafka):
    with KafkaProducer(bootstrap_servers=kafka) as producer:
        yield producer


@pytest.fixture
def consumer(kafka):
    """A consumer that starts at the first record. A test gives it a partition only
    when the topic is there, since asking for a topic creates it.
    """
    with KafkaConsumer(
        bootstrap_servers=kafka,
        auto_offset_reset="earliest",
        consumer_timeout_ms=10000,
    ) as consumer:
        yield consumer


def send(producer, topic, count):
    """Send records "0", "1", … to partition 0, each in a batch of its own."""
    for number in range(count):
        producer.send(topic, str(number).encode(), partition=0).get(timeout=10)


def first_offset(consumer, topic):
    partition = TopicPartition(topic, 0)
    return consumer.beginning_offsets([partition])[partition]


def printed_by(program, address, name, capsys):
    program.main(address, name)
    return capsys.readouterr().out.splitlines()


# The key chooses the partition.


def test_kafka_partition_of_a_key_can_be_predicted(kafka, topic, capsys):
    lines = printed_by(one_key_one_partition_kafka, kafka, topic, capsys)
    assert lines[-1] == "6 of 6 predictions were right"


def test_kafka_key_goes_to_the_same_partition_each_time(kafka, topic, capsys):
    anna, ben, *_, anna_again, ben_again, _ = printed_by(
        one_key_one_partition_kafka, kafka, topic, capsys
    )
    assert (anna, ben) == (anna_again, ben_again)


def keys():
    """Return 200 keys: short and long, in ASCII and not, and the empty one."""
    chance = random.Random(2)
    letters = "abcxyz0189-_ äßñøłжщ中文한🙂🚚"
    lengths = [0, *range(1, 40), *(chance.randrange(1, 300) for _ in range(160))]
    return ["".join(chance.choices(letters, k=length)) for length in lengths]


@pytest.mark.parametrize("partitions", [1, 2, 3, 6, 50])
def test_murmur2_written_out_agrees_with_librdkafkas(partitions):
    assert {
        key: one_key_one_partition_kafka.predict(key, partitions) for key in keys()
    } == {key: cimpl.murmur2(key.encode(), partitions) for key in keys()}


def test_kafka_python_sends_each_key_where_murmur2_says(kafka, topic, create):
    create(partitions=6)
    sent = same_key_other_client_kafka.send_with_kafka_python(kafka, topic, keys())
    assert sent == {key: one_key_one_partition_kafka.predict(key, 6) for key in keys()}


def test_kafka_puts_a_record_where_its_producer_says(producer, topic, create):
    create(partitions=4)
    chosen = [
        producer.send(topic, b"x", key=b"anna", partition=partition).get(10).partition
        for partition in range(4)
    ]
    assert chosen == [0, 1, 2, 3]


def test_records_without_a_key_stick_to_a_partition_or_spread(kafka, topic, capsys):
    assert printed_by(null_keys_spread_kafka, kafka, topic, capsys) == [
        "kafka-python: 4 of 4 partitions",
        "kafka-python, sticky, one batch: 1 of 4 partitions",
        "librdkafka, sticky for 5 s: 1 of 4 partitions",
        "librdkafka, not sticky: 4 of 4 partitions",
    ]


def test_same_key_goes_elsewhere_with_librdkafka_until_both_use_murmur2(
    kafka, topic, capsys
):
    assert printed_by(same_key_other_client_kafka, kafka, topic, capsys) == [
        "librdkafka with consistent_random:",
        "  144 of 200 keys go to another partition",
        "librdkafka with murmur2_random:",
        "  0 of 200 keys go to another partition",
    ]


@pytest.mark.parametrize(
    ("partitioner", "partitions"), [("consistent_random", 4), ("murmur2_random", 1)]
)
def test_librdkafka_takes_an_empty_key_for_none_by_default(
    kafka, topic, create, partitioner, partitions
):
    create(partitions=4)
    options = {"bootstrap.servers": kafka, "partitioner": partitioner}
    options["sticky.partitioning.linger.ms"] = 0
    reached = set()
    with Producer(options) as producer:
        for _ in range(100):
            producer.produce(
                topic,
                b"x",
                b"",
                on_delivery=lambda _, message: reached.add(message.partition()),
            )
        producer.flush(10)
    assert len(reached) == partitions


# A group deals out partitions, a queue deals out messages.


def test_kafka_group_deals_out_partitions_and_again_when_a_member_leaves(
    kafka, topic, capsys
):
    assert printed_by(group_shares_partitions_kafka, kafka, topic, capsys) == [
        "two members: one reads partitions [0, 1], the other [2, 3]",
        "one has left: the other reads [0, 1, 2, 3]",
    ]


def test_kafka_leaves_a_third_worker_idle_on_two_partitions(kafka, topic, capsys):
    assert printed_by(more_consumers_than_partitions_kafka, kafka, topic, capsys) == [
        "partitions of the three workers: [0, 1, 1]",
        "orders handled by each: [0, 3, 3]",
    ]


def test_rabbitmq_leaves_no_worker_idle_on_one_queue(rabbitmq, queue, capsys):
    assert printed_by(
        more_consumers_than_partitions_rabbitmq, rabbitmq, queue, capsys
    ) == ["orders handled by each: [2, 2, 2]"]


def test_kafka_keeps_committed_offsets_in_a_compacted_topic(kafka, topic, admin):
    commit(kafka, topic, 0)
    offsets = ConfigResource("TOPIC", "__consumer_offsets")
    configs = admin.describe_configs([offsets])["topic"]["__consumer_offsets"]
    assert configs["cleanup.policy"]["value"] == "compact"


# Replay.


def test_kafka_consumer_goes_back_to_an_offset_and_commits_nothing_by_it(
    kafka, topic, capsys
):
    assert printed_by(replay_from_offset_kafka, kafka, topic, capsys)[1:] == [
        "the next one to read is 3, and 5 is committed",
        "again from offset 3: {3: 'order 3', 4: 'order 4'}",
    ]


def test_rabbitmq_stream_is_read_again_from_an_offset(rabbitmq, queue, capsys):
    assert printed_by(replay_from_offset_rabbitmq, rabbitmq, queue, capsys)[1:] == [
        "again from offset 3: {3: 'order 3', 4: 'order 4'}",
    ]


@pytest.mark.parametrize(
    ("program", "broker"),
    [(replay_from_time_kafka, "kafka"), (replay_from_time_rabbitmq, "rabbitmq")],
    ids=["kafka", "rabbitmq"],
)
def test_log_is_read_again_from_a_time(program, broker, topic, request, capsys):
    assert printed_by(program, request.getfixturevalue(broker), topic, capsys) == [
        "since the morning: {3: 'a table', 4: 'a pen'}"
    ]


def test_kafka_knows_no_offset_for_a_time_after_the_last_record(
    producer, consumer, topic, create
):
    create()
    send(producer, topic, 1)
    partition = TopicPartition(topic, 0)
    later = int(time.time() * 1000) + 1000
    assert consumer.offsets_for_times({partition: later}) == {partition: None}


@pytest.mark.parametrize(
    ("kind", "kept"), [("CreateTime", True), ("LogAppendTime", False)]
)
def test_kafka_record_has_the_producers_time_unless_the_topic_says_otherwise(
    producer, consumer, topic, create, kind, kept
):
    create(message_timestamp_type=kind)
    yesterday = int(time.time() * 1000) - DAY
    producer.send(topic, b"x", timestamp_ms=yesterday).get(timeout=10)
    consumer.assign([TopicPartition(topic, 0)])
    assert (next(consumer).timestamp == yesterday) is kept


def test_kafka_refuses_a_record_from_two_hours_ahead(producer, topic, create):
    create()
    ahead = int(time.time() * 1000) + 2 * 60 * 60 * 1000
    with pytest.raises(InvalidTimestampError):
        producer.send(topic, b"x", timestamp_ms=ahead).get(timeout=10)


@pytest.fixture
def stream(rabbitmq, queue):
    """A channel without confirms, on which `queue` is declared as a stream."""
    with pika.BlockingConnection(pika.URLParameters(rabbitmq)) as connection:
        channel = connection.channel()
        arguments = {"x-queue-type": "stream"}
        channel.queue_declare(queue, durable=True, arguments=arguments)
        yield channel


def test_rabbitmq_stream_starts_at_the_very_offset_within_a_chunk(
    rabbitmq, queue, stream
):
    for number in range(100):  # Unconfirmed, so that they share chunks.
        stream.basic_publish("", queue, str(number).encode())
    read = [
        replay_from_offset_rabbitmq.read_from(rabbitmq, queue, offset, 1)
        for offset in range(50, 60)
    ]
    assert read == [{offset: str(offset)} for offset in range(50, 60)]


def test_rabbitmq_stream_takes_a_time_in_whole_seconds(rabbitmq, queue, stream):
    assert until(lambda: datetime.now(UTC).microsecond < 100_000)
    second = datetime.now(UTC)
    stream.confirm_delivery()
    stream.basic_publish("", queue, b"before")
    end_of_it = second.replace(microsecond=999_999)
    assert replay_from_time_rabbitmq.read_since(rabbitmq, queue, end_of_it, 1) == {
        0: "before"
    }


def test_rabbitmq_stream_waits_for_new_messages_if_none_is_as_young_as_asked(
    rabbitmq, queue, stream
):
    stream.confirm_delivery()
    stream.basic_publish("", queue, b"old")
    stream.basic_qos(prefetch_count=10)
    at = {"x-stream-offset": datetime.fromtimestamp(time.time() + 3600, UTC)}
    messages = stream.consume(queue, arguments=at, inactivity_timeout=1)
    assert next(messages)[2] is None
    stream.basic_publish("", queue, b"new")
    assert next(body for _, _, body in islice(messages, 30) if body) == b"new"


# Retention.


def test_kafka_removes_whole_segments_by_size_and_everything_by_time(
    kafka, topic, capsys
):
    lines = printed_by(retention_removes_segments_kafka, kafka, topic, capsys)
    assert lines[1:] == [
        "limit 2 MiB: 25 orders are left, the first at offset 20",
        "limit 1 second: 0 orders are left, the next offset is 45",
    ]


def test_rabbitmq_stream_removes_whole_segments_by_size(rabbitmq, queue, capsys):
    lines = printed_by(retention_removes_segments_rabbitmq, rabbitmq, queue, capsys)
    assert lines[1:] == ["limit 2 MiB: 12 orders are left, the first at offset 36"]


def test_rabbitmq_stream_has_offsets_that_no_message_has(rabbitmq, queue):
    sizes = {"x-stream-max-segment-size-bytes": MIB}
    retention_removes_segments_rabbitmq.create(rabbitmq, queue, **sizes)
    retention_removes_segments_rabbitmq.send_orders(rabbitmq, queue, 15)
    offsets = retention_removes_segments_rabbitmq.read_all(rabbitmq, queue)
    assert len(offsets) == 15
    assert offsets[-1] > 14


def test_rabbitmq_stream_removes_by_age_only_when_a_segment_begins(rabbitmq, queue):
    limits = {"x-stream-max-segment-size-bytes": MIB, "x-max-age": "2s"}
    retention_removes_segments_rabbitmq.create(rabbitmq, queue, **limits)
    retention_removes_segments_rabbitmq.send_orders(rabbitmq, queue, 12)
    time.sleep(3)  # All twelve are older than the limit now.
    old = retention_removes_segments_rabbitmq.left(rabbitmq, queue)
    retention_removes_segments_rabbitmq.send_orders(rabbitmq, queue, 11)
    assert len(old) == 12
    assert until(
        lambda: (
            retention_removes_segments_rabbitmq.read_all(rabbitmq, queue)[0] > old[0]
        )
    )


def test_kafka_removes_a_record_that_is_old_by_its_own_time(
    producer, consumer, topic, create
):
    create()
    age = int(time.time() * 1000) - 8 * DAY
    producer.send(topic, b"x", timestamp_ms=age).get(timeout=10)
    assert until(lambda: first_offset(consumer, topic) == 1)


def test_kafka_keeps_an_old_record_whose_segment_has_a_young_one(
    producer, consumer, topic, create, kafka
):
    create()
    other = f"{topic}-other"
    young, old = int(time.time() * 1000), int(time.time() * 1000) - 8 * DAY
    for name, times in ((topic, [young, old]), (other, [old])):
        for moment in times:
            producer.send(name, b"x", timestamp_ms=moment)
    producer.flush(timeout=10)
    assert until(lambda: first_offset(consumer, other) == 1)
    assert first_offset(consumer, topic) == 0


def commit(bootstrap, topic, offset):
    """Commit `offset` of partition 0 for the group that is named like the topic."""
    with KafkaConsumer(
        bootstrap_servers=bootstrap, group_id=topic, enable_auto_commit=False
    ) as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        consumer.commit({TopicPartition(topic, 0): OffsetAndMetadata(offset, "", -1)})


@pytest.fixture
def removed(kafka, topic, admin, create, producer):
    """A topic that has lost the records 0 to 5 of 10, and a group that was at 2."""
    create()
    send(producer, topic, 10)
    commit(kafka, topic, 2)
    admin.delete_records({TopicPartition(topic, 0): 6})


def resume(bootstrap, topic, reset):
    """Read as the group to the end; return the values and the next offset."""
    partition = TopicPartition(topic, 0)
    with KafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=topic,
        enable_auto_commit=False,
        auto_offset_reset=reset,
    ) as consumer:
        consumer.assign([partition])
        values = [value.decode() for value in read_on(consumer, partition)]
        return values, consumer.position(partition)


@pytest.mark.usefixtures("removed")
@pytest.mark.parametrize(
    ("reset", "values"), [("earliest", ["6", "7", "8", "9"]), ("latest", [])]
)
def test_kafka_group_behind_retention_goes_where_auto_offset_reset_says(
    kafka, topic, reset, values
):
    assert resume(kafka, topic, reset) == (values, 10)


@pytest.mark.usefixtures("removed")
def test_kafka_group_behind_retention_gets_an_error_if_nothing_is_to_be_reset(
    kafka, topic
):
    with pytest.raises(OffsetOutOfRangeError):
        resume(kafka, topic, "none")


# Compaction.


def test_kafka_compaction_keeps_the_latest_record_of_a_key(kafka, topic, capsys):
    lines = printed_by(compaction_keeps_latest_kafka, kafka, topic, capsys)
    assert lines == [
        "written:    0 lamp=30  1 book=9  2 lamp=31  3 pen=2  4 pen=(none)",
        "written:    5 book=10  6 book=11",
        "compacted:  1 book=9  2 lamp=31  4 pen=(none)  5 book=10  6 book=11",
        "written:    7 lamp=32",
        "compacted:  2 lamp=31  6 book=11  7 lamp=32",
    ]


def test_kafka_consumer_that_asks_for_a_compacted_offset_gets_the_next_one(
    kafka, topic, consumer
):
    compaction_keeps_latest_kafka.create(kafka, topic)
    write = compaction_keeps_latest_kafka.write_segment
    write(kafka, topic, (b"lamp", b"1"), (b"lamp", b"2"))
    write(kafka, topic, (b"pen", b"3"))
    compaction_keeps_latest_kafka.read_when_compacted(kafka, topic, 3)
    consumer.assign([TopicPartition(topic, 0)])
    consumer.seek(TopicPartition(topic, 0), 0)
    assert next(consumer).offset == 1


def test_kafka_refuses_a_record_without_a_key_in_a_compacted_topic(
    producer, topic, create
):
    create(cleanup_policy="compact")
    with pytest.raises(InvalidRecordError):
        producer.send(topic, b"x").get(timeout=10)


# Batches.


def test_kafka_linger_saves_requests_and_costs_time(kafka, topic, capsys):
    lines = printed_by(batching_and_linger_kafka, kafka, topic, capsys)
    assert lines == [
        "waiting for each acknowledgement: 1 record a request",
        "an order each 5 ms, with linger 100 ms instead of 0:",
        "  at least 4 times fewer requests: True",
        "  each order waits at least 4 times longer: True",
        "gzip, one record in a batch: smaller: False",
        "gzip, 200 at once with linger: less than a fifth: True",
    ]


def test_kafka_stores_a_batch_as_its_producer_compressed_it(admin, kafka):
    sizes = []
    for compression in (None, "gzip"):
        topic = f"orders-{compression}-{time.time_ns()}"
        options = {"linger_ms": 1000, "compression_type": compression}
        batching_and_linger_kafka.create(kafka, topic)
        batching_and_linger_kafka.send_orders(kafka, topic, **options)
        (broker,) = admin.describe_log_dirs({topic: [0]})
        (found,) = broker["log_dirs"][0]["topics"]
        sizes.append(found["partitions"][0]["partition_size"])
    plain, zipped = sizes
    assert zipped < plain / 5


# Limits of size, one after the other.


def test_kafka_python_does_not_send_a_record_above_its_own_limit(producer, topic):
    with pytest.raises(MessageSizeTooLargeError, match="max_request_size"):
        producer.send(topic, bytes(MIB))


def test_librdkafka_does_not_send_a_record_of_more_than_a_million_bytes(kafka, topic):
    with (
        Producer({"bootstrap.servers": kafka}) as producer,
        pytest.raises(KafkaException, match="MSG_SIZE_TOO_LARGE"),
    ):
        producer.produce(topic, bytes(1_000_000))


def test_kafka_refuses_a_record_above_the_topics_limit(producer, topic, create):
    create(max_message_bytes=1000)
    with pytest.raises(MessageSizeTooLargeError):
        producer.send(topic, bytes(1000)).get(timeout=10)


def test_kafka_counts_the_compressed_size_against_the_topics_limit(
    kafka, topic, create
):
    create(max_message_bytes=1000)
    with KafkaProducer(bootstrap_servers=kafka, compression_type="gzip") as producer:
        assert producer.send(topic, bytes(100_000)).get(timeout=10).offset == 0


@pytest.mark.parametrize(("idempotent", "failed"), [(True, [1000, 1]), (False, [1000])])
def test_kafka_python_sends_nothing_more_after_a_refusal_if_it_is_idempotent(
    kafka, topic, create, idempotent, failed
):
    create(max_message_bytes=1000)
    options = {"bootstrap_servers": kafka, "enable_idempotence": idempotent}
    found = []
    with KafkaProducer(**options) as producer:
        for size in (1000, 1):
            try:
                producer.send(topic, bytes(size)).get(timeout=10)
            except MessageSizeTooLargeError:
                found.append(size)
    assert found == failed


def test_kafka_consumer_gets_a_record_above_its_fetch_limits(
    kafka, topic, create, producer
):
    create()
    producer.send(topic, bytes(100_000)).get(timeout=10)
    with KafkaConsumer(
        topic,
        bootstrap_servers=kafka,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=1000,
        fetch_max_bytes=1000,
        consumer_timeout_ms=10000,
    ) as consumer:
        assert len(next(consumer).value) == 100_000


# What a topic is on the disk, and what the broker does unasked.


def test_kafka_creates_a_topic_with_one_partition_when_a_record_is_sent_to_it(
    producer, topic, admin
):
    producer.send(topic, b"x").get(timeout=10)
    (found,) = admin.describe_topics([topic])
    assert len(found["partitions"]) == 1


@pytest.fixture(scope="module")
def own_kafka():
    """A Kafka node of its own, whose share groups notice new members and overdue
    records sooner than the 5 and 15 seconds that are the least by default.
    """
    settings = {
        "group.share.min.heartbeat.interval.ms": "100",
        "group.share.heartbeat.interval.ms": "100",
        "group.share.min.record.lock.duration.ms": "1000",
    }
    with start_kafka(settings=settings) as broker:
        yield broker


def test_kafka_names_a_segment_after_its_first_offset(own_kafka, topic):
    sizes = {"segment.bytes": MIB}
    retention_removes_segments_kafka.create(own_kafka.address, topic, **sizes)
    retention_removes_segments_kafka.send_orders(own_kafka.address, topic, 25)
    folder = own_kafka.nodes[0].folder / "data" / f"{topic}-0"
    assert sorted(path.name for path in folder.glob("*.log")) == [
        "00000000000000000000.log",
        "00000000000000000010.log",
        "00000000000000000020.log",
    ]


def test_kafka_refuses_a_segment_smaller_than_a_mebibyte(create):
    with pytest.raises(InvalidConfigurationError, match=r"segment\.bytes"):
        create(segment_bytes=MIB - 1)


TOPIC_DEFAULTS = {
    "cleanup.policy": "delete",
    "retention.ms": str(7 * DAY),
    "retention.bytes": "-1",
    "segment.bytes": str(1024 * MIB),
    "segment.ms": str(7 * DAY),
    "file.delete.delay.ms": "60000",
    "delete.retention.ms": str(DAY),
    "min.cleanable.dirty.ratio": "0.5",
    "min.compaction.lag.ms": "0",
    "max.compaction.lag.ms": UNLIMITED,
    "max.message.bytes": str(MIB + 12),
    "message.timestamp.type": "CreateTime",
    "message.timestamp.after.max.ms": str(60 * 60 * 1000),
    "compression.type": "producer",
    "min.insync.replicas": "1",
    "unclean.leader.election.enable": "false",
    "flush.messages": UNLIMITED,  # No write to the disk is waited for.
    "flush.ms": UNLIMITED,
    "remote.storage.enable": "false",
}


@pytest.mark.parametrize("name", TOPIC_DEFAULTS)
def test_kafka_topic_has_the_default(admin, topic, create, name):
    create()
    resource = ConfigResource("TOPIC", topic)
    configs = admin.describe_configs([resource], config_filter="all")
    assert configs["topic"][topic][name]["value"] == TOPIC_DEFAULTS[name]


BROKER_DEFAULTS = {
    "auto.create.topics.enable": "true",
    "num.partitions": "1",
    "default.replication.factor": "1",
    "log.retention.check.interval.ms": "300000",
    "log.cleaner.backoff.ms": "15000",
    "offsets.retention.minutes": str(7 * 24 * 60),
    "offsets.topic.num.partitions": "50",
    "offsets.topic.replication.factor": "3",
    "message.max.bytes": str(MIB + 12),
    "replica.fetch.max.bytes": str(MIB),
}


@pytest.mark.parametrize("name", BROKER_DEFAULTS)
def test_kafka_broker_has_the_default(admin, name):
    (broker,) = admin.describe_cluster()["brokers"]
    resource = ConfigResource("BROKER", str(broker["broker_id"]))
    everything = {"config_filter": "all", "include_synonyms": True}
    (configs,) = admin.describe_configs([resource], **everything)["broker"].values()
    values = {each["source"]: each["value"] for each in configs[name]["synonyms"]}
    assert values["DEFAULT_CONFIG"] == BROKER_DEFAULTS[name]


# The three producers differ in their defaults.


KAFKA_PYTHON_DEFAULTS = {
    "acks": -1,
    "enable_idempotence": True,
    "linger_ms": 0,
    "batch_size": 16384,
    "compression_type": None,
    "max_request_size": MIB,
    "max_in_flight_requests_per_connection": 5,
    "delivery_timeout_ms": 120000,
}


@pytest.mark.parametrize("name", KAFKA_PYTHON_DEFAULTS)
def test_kafka_python_producer_has_the_default(name):
    assert KafkaProducer.DEFAULT_CONFIG[name] == KAFKA_PYTHON_DEFAULTS[name]


def test_kafka_python_chooses_by_murmur2_and_else_at_random_by_default():
    assert type(KafkaProducer.DEFAULT_CONFIG["partitioner"]) is DefaultPartitioner


LIBRDKAFKA_DEFAULTS = {
    "acks": "-1",
    "enable.idempotence": "false",
    "linger.ms": "5",
    "batch.size": "1000000",
    "compression.codec": "none",
    "message.max.bytes": "1000000",
    "max.in.flight": "1000000",
    "delivery.timeout.ms": "300000",
    "partitioner": "consistent_random",
    "sticky.partitioning.linger.ms": "10",
}


@pytest.mark.parametrize("name", LIBRDKAFKA_DEFAULTS)
def test_librdkafka_producer_has_the_default(name):
    library = ctypes.CDLL(cimpl.__file__)
    value, size = ctypes.create_string_buffer(100), ctypes.c_size_t(100)
    for level in ("rd_kafka_conf", "rd_kafka_topic_conf"):
        new, get = getattr(library, f"{level}_new"), getattr(library, f"{level}_get")
        new.restype = ctypes.c_void_p
        conf = ctypes.c_void_p(new())
        if get(conf, name.encode(), value, ctypes.byref(size)) == 0:
            break
    assert value.value.decode() == LIBRDKAFKA_DEFAULTS[name]


JAVA_DEFAULTS = {
    "acks": "all",
    "enable.idempotence": "true",
    "linger.ms": "5",
    "batch.size": "16384",
    "compression.type": "none",
    "max.request.size": str(MIB),
    "max.in.flight.requests.per.connection": "5",
    "delivery.timeout.ms": "120000 (2 minutes)",
    "partitioner.class": "null",
    "partitioner.ignore.keys": "false",
}


@cache
def java_page():
    """Return the page of the documentation that Java's producer prints of itself."""
    command = java("org.apache.kafka.clients.producer.ProducerConfig")
    return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout


@pytest.mark.parametrize("name", JAVA_DEFAULTS)
def test_java_producer_has_the_default(name):
    entry = rf'<a id="{name}"></a>.*?<th>Default:</th><td>(.*?)</td>'
    assert re.search(entry, java_page(), re.DOTALL)[1] == JAVA_DEFAULTS[name]


# Share groups.


@pytest.fixture
def share(own_kafka, topic):
    """A function that makes the test's topic with orders in it and a share group of
    the same name with these settings, and returns `count` members of it.
    """
    with ExitStack() as members:

        def share(orders, count=1, **settings):
            address = own_kafka.address
            share_group_queue_kafka.create(address, topic, topic)
            if settings:
                configs = {
                    f"share.{key.replace('_', '.')}": settings[key] for key in settings
                }
                with KafkaAdminClient(bootstrap_servers=address) as admin:
                    admin.alter_configs([ConfigResource("GROUP", topic, configs)])
            share_group_queue_kafka.send_orders(address, topic, orders)
            joined = [
                share_group_queue_kafka.join_group(address, topic, topic)
                for _ in range(count)
            ]
            for each in joined:
                members.callback(each.close)
            return joined

        yield share


def take(member):
    """Return the next order, which the member then holds."""
    (message,) = member.poll(20)
    return message


def answer(member, message, kind=AcknowledgeType.ACCEPT):
    member.acknowledge(message, kind)
    member.commit_sync(10)


def test_share_group_has_more_consumers_than_partitions(own_kafka, topic, capsys):
    assert printed_by(share_group_queue_kafka, own_kafka.address, topic, capsys) == [
        "three consumers, one partition: ['order 1', 'order 2', 'order 3']",
        "each of them another one: ['order 4', 'order 5', 'order 6']",
        "nothing comes again: True",
        "still in the log: 6 orders",
    ]


def test_share_group_keeps_acknowledged_records_in_the_log(share, own_kafka, topic):
    (member,) = share(1)
    answer(member, take(member))
    with KafkaConsumer(
        bootstrap_servers=own_kafka.address,
        auto_offset_reset="earliest",
        consumer_timeout_ms=10000,
    ) as reader:
        reader.assign([TopicPartition(topic, 0)])
        assert next(reader).value == b"order 1"


def test_share_group_delivers_a_record_five_times_at_most(own_kafka, topic, capsys):
    assert printed_by(
        delivery_limit_gives_up_kafka, own_kafka.address, topic, capsys
    ) == [
        "the order that is done: deliveries: 1",
        "the order that fails once: deliveries: 2",
        "the order that is refused: deliveries: 1",
        "the order that always fails: deliveries: 5",
    ]


def test_rabbitmq_delivers_a_message_once_more_than_its_limit(rabbitmq, queue, capsys):
    assert printed_by(delivery_limit_gives_up_rabbitmq, rabbitmq, queue, capsys) == [
        "the order that is done: deliveries: 1",
        "the order that fails once: deliveries: 2",
        "the order that is refused: deliveries: 1",
        "the order that always fails: deliveries: 6",
    ]


def test_rabbitmq_does_not_count_a_nack_against_the_limit(rabbitmq, queue):
    with pika.BlockingConnection(pika.URLParameters(rabbitmq)) as connection:
        channel = connection.channel()
        arguments = {"x-queue-type": "quorum", "x-delivery-limit": 5}
        channel.queue_declare(queue, durable=True, arguments=arguments)
        channel.basic_publish("", queue, b"order 1")
        deliveries = channel.consume(queue, inactivity_timeout=5)
        for method, _, _ in islice(deliveries, 20):
            channel.basic_nack(method.delivery_tag, requeue=True)
        assert next(deliveries)[2] == b"order 1"


def test_share_group_tells_how_often_a_record_was_delivered(share):
    (member,) = share(1)
    counts = []
    for _ in range(3):
        message = take(member)
        counts.append(message.delivery_count())
        answer(member, message, AcknowledgeType.RELEASE)
    assert counts == [1, 2, 3]


def test_share_group_gives_a_record_on_when_its_lock_has_run_out(share):
    one, other = share(1, count=2, record_lock_duration_ms=1000)
    take(one)
    assert take(other).delivery_count() == 2


def test_share_group_gives_a_record_on_at_once_when_its_consumer_leaves(share):
    one, other = share(1, count=2)
    take(one)
    one.close()
    left = time.monotonic()
    take(other)
    assert time.monotonic() - left < 10  # The lock would be 30 seconds.


def test_share_group_does_not_keep_the_order(share):
    one, other = share(2, count=2)
    first = take(one)
    done = [take(other)]
    answer(other, done[0])
    answer(one, first, AcknowledgeType.RELEASE)
    done.append(take(other))
    assert [message.offset() for message in done] == [1, 0]


def test_share_group_starts_at_the_end_unless_it_is_told_otherwise(
    share, own_kafka, topic
):
    (member,) = share(3, auto_offset_reset="latest")
    deadline = time.monotonic() + 30
    while not (messages := member.poll(1)) and time.monotonic() < deadline:
        share_group_queue_kafka.send_orders(own_kafka.address, topic, 1)
    assert all(message.offset() >= 3 for message in messages)
    assert messages


GROUP_DEFAULTS = {
    "share.auto.offset.reset": "latest",
    "share.delivery.count.limit": "5",
    "share.record.lock.duration.ms": "30000",
    "share.partition.max.record.locks": "2000",
    "share.isolation.level": "read_uncommitted",
}


@pytest.mark.parametrize("name", GROUP_DEFAULTS)
def test_share_group_has_the_default(admin, topic, name):
    resource = ConfigResource("GROUP", topic)
    configs = admin.describe_configs([resource], config_filter="all")
    assert configs["group"][topic][name]["value"] == GROUP_DEFAULTS[name]


@pytest.mark.parametrize(
    ("limit", "result"), [(1, False), (2, True), (10, True), (11, False)]
)
def test_share_group_takes_a_delivery_limit_from_two_to_ten(
    admin, topic, limit, result
):
    resource = ConfigResource("GROUP", topic, {"share.delivery.count.limit": limit})
    answered = admin.alter_configs([resource])["group"][topic]
    assert (answered == "OK") is result


def test_share_groups_are_on_in_a_new_cluster(admin):
    assert admin.describe_features()["share.version"]["finalized"] == (1, 1)


def test_share_consumer_of_librdkafka_cannot_seek():
    assert not hasattr(ShareConsumer, "seek")


def test_share_consumer_of_librdkafka_cannot_renew_a_lock():
    answers = {each.name for each in AcknowledgeType}
    assert answers == {"ACCEPT", "RELEASE", "REJECT"}


def test_kafka_python_has_no_share_consumer():
    assert not [name for name in dir(kafka_python) if "Share" in name]

"""The claims of chapter 3 on exactly-once: idempotence, transactions, fencing."""

import logging
import re
import socket
import subprocess
from contextlib import closing, contextmanager, suppress
from functools import partial
from multiprocessing import get_context
from queue import Queue
from threading import Event, Thread

import pytest
from brokers import kafka as start_kafka
from brokers import rabbitmq as start_rabbitmq
from brokers.kafka_streams import java
from brokers.process import HOST, free_ports
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka import TopicPartition as ConfluentTopicPartition
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import (
    CommitFailedError,
    InvalidProducerEpochError,
    KafkaConfigurationError,
    KafkaError,
    KafkaTimeoutError,
    ProducerFencedError,
)
from kafka.structs import OffsetAndMetadata
from kafka_patterns import (
    application_retry_duplicates_kafka,
    application_retry_duplicates_rabbitmq,
    idempotent_producer_kafka,
    open_transaction_blocks_readers_kafka,
    read_uncommitted_sees_aborted_kafka,
    transactional_copy_kafka,
    zombie_is_fenced_kafka,
)
from waiting import until

# Begins a transaction with each line as its record, and commits at an empty line.
TRANSACTIONS = """
import java.util.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.serialization.StringSerializer;

class Transactions {
    public static void main(String[] to) throws Exception {
        var strings = new StringSerializer();
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", to[0]);
        settings.put("transactional.id", to[1]);
        try (var producer = new KafkaProducer<>(settings, strings, strings);
                var lines = new Scanner(System.in)) {
            producer.initTransactions();
            while (lines.hasNextLine()) {
                String order = lines.nextLine();
                if (order.isEmpty()) {
                    producer.commitTransaction();
                } else {
                    producer.beginTransaction();
                    producer.send(new ProducerRecord<>(to[1], order)).get();
                }
                System.out.println("done");
            }
        }
    }
}
"""


@pytest.fixture(scope="module")
def own_kafka():
    """A Kafka node of its own, frozen by tests, which soon ends old transactions."""
    look_often = "transaction.abort.timed.out.transaction.cleanup.interval.ms"
    with start_kafka(settings={look_often: "100"}) as broker:
        yield broker


@pytest.fixture
def admin(kafka):
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        yield admin


def create(bootstrap, topic, partitions=2):
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        plan = {topic: {"num_partitions": partitions}}
        admin.create_topics(plan, wait_for_metadata=True)


@contextmanager
def transactional(bootstrap, topic, **settings):
    """A producer with the topic's name as transactional id, ready to begin."""
    settings = {"transactional_id": topic, **settings}
    producer = KafkaProducer(bootstrap_servers=bootstrap, **settings)
    try:
        producer.init_transactions()
        yield producer
    finally:
        producer.close(timeout=5)


def visible(bootstrap, topic, partition=0, isolation_level="read_committed"):
    """Return the values that a reader of this isolation level can get now."""
    with KafkaConsumer(
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        isolation_level=isolation_level,
    ) as consumer:
        partition = TopicPartition(topic, partition)
        consumer.assign([partition])
        end, values = consumer.end_offsets([partition])[partition], []

        def all_read():
            polled = consumer.poll(timeout_ms=100).values()
            values.extend(each.value.decode() for records in polled for each in records)
            return consumer.position(partition) >= end

        assert until(all_read, 20)
        return values


# The client's own repetitions.


@pytest.mark.parametrize(
    ("idempotent", "log"),
    [(True, ["order 1", "order 2"]), (False, ["order 1", "order 2", "order 2"])],
    ids=["dropped-with-idempotence", "kept-without"],
)
def test_kafka_repetition_made_by_the_client_is(own_kafka, topic, idempotent, log):
    address = own_kafka.address
    producer = idempotent_producer_kafka.connect(address, topic, idempotent)
    idempotent_producer_kafka.send_into_silence(own_kafka, producer, topic, "order 2")
    producer.close()
    assert visible(address, topic) == log


def test_kafka_repetition_made_by_the_program_is_kept(own_kafka, topic):
    program = application_retry_duplicates_kafka
    with closing(program.connect(own_kafka.address)) as producer:
        assert program.send_order(producer, topic, "order 1") == "acknowledged"
        own_kafka.pause()
        assert program.send_order(producer, topic, "order 2") == "no answer in time"
        own_kafka.resume()
        assert program.send_order(producer, topic, "order 2") == "acknowledged"
    assert visible(own_kafka.address, topic) == ["order 1", "order 2", "order 2"]


def test_rabbitmq_repetition_made_by_the_program_is_kept(queue, capsys):
    with start_rabbitmq() as broker:
        application_retry_duplicates_rabbitmq.main(broker, queue)
    assert capsys.readouterr().out.endswith(
        "received: ['order 1', 'order 2', 'order 2']\n"
    )


def test_kafka_python_producer_never_sends_again_after_an_expired_retry(
    own_kafka, topic
):
    producer = KafkaProducer(
        bootstrap_servers=own_kafka.address,
        request_timeout_ms=1000,
        delivery_timeout_ms=2000,
    )
    producer.send(topic, b"order 1").get(timeout=10)
    own_kafka.pause()
    with pytest.raises(KafkaTimeoutError):
        producer.send(topic, b"order 2").get(timeout=10)
    own_kafka.resume()
    with pytest.raises(KafkaTimeoutError):  # It has no producer id and asks for none.
        producer.send(topic, b"order 3").get(timeout=4)
    with KafkaProducer(bootstrap_servers=own_kafka.address) as another:
        assert another.send(topic, b"order 3").get(timeout=10)
    producer._sender.force_close()  # Its close() would wait for order 3.


# Who is idempotent.


@pytest.mark.parametrize(
    "settings",
    [
        {"acks": 0},
        {"acks": 1},
        {"retries": 0},
        {"max_in_flight_requests_per_connection": 6},
    ],
    ids=lambda settings: str(settings),
)
def test_kafka_python_switches_idempotence_off_without_an_error_for(kafka, settings):
    with KafkaProducer(bootstrap_servers=kafka, **settings) as producer:
        assert producer.config["enable_idempotence"] is False
    with pytest.raises(KafkaConfigurationError):  # Unless you have asked for it.
        KafkaProducer(bootstrap_servers=kafka, enable_idempotence=True, **settings)


def knows_the_producer(admin, topic):
    """Tell whether the broker keeps a sequence number for a producer of the topic."""
    partition = TopicPartition(topic, 0)
    return bool(admin.describe_producers([partition])[partition].active_producers)


def test_kafka_python_is_idempotent_by_default(kafka, topic, admin):
    create(kafka, topic)
    with KafkaProducer(bootstrap_servers=kafka) as producer:
        producer.send(topic, b"order 1", partition=0).get(timeout=10)
    assert knows_the_producer(admin, topic)


@pytest.mark.parametrize("idempotent", [False, True], ids=["by-default", "when-asked"])
def test_librdkafka_is_idempotent_only_when_asked(kafka, topic, admin, idempotent):
    create(kafka, topic)
    asked = {"enable.idempotence": True} if idempotent else {}
    producer = Producer({"bootstrap.servers": kafka, **asked})
    producer.produce(topic, b"order 1", partition=0)
    assert producer.flush(10) == 0
    assert knows_the_producer(admin, topic) == idempotent


@pytest.mark.parametrize(
    "settings", [{"acks": 1}, {"retries": 0}, {"max.in.flight": 6}], ids=str
)
def test_librdkafka_refuses_to_be_idempotent_with(settings):
    with pytest.raises(KafkaException, match=r"enable\.idempotence"):
        Producer({"enable.idempotence": True, **settings})


# What readers see.


@pytest.mark.parametrize(
    ("settings", "values"),
    [
        ({}, ["order 1 placed", "order 1 paid", "order 2 placed"]),
        ({"isolation_level": "read_committed"}, ["order 1 placed", "order 1 paid"]),
    ],
    ids=["sees-aborted-records-by-default", "leaves-them-out-when-asked"],
)
def test_kafka_python_consumer(kafka, topic, settings, values):
    read_uncommitted_sees_aborted_kafka.send_in_transactions(kafka, topic)
    assert read_uncommitted_sees_aborted_kafka.read(kafka, topic, **settings) == values


def test_librdkafka_consumer_leaves_aborted_records_out_by_default(kafka, topic):
    read_uncommitted_sees_aborted_kafka.send_in_transactions(kafka, topic)
    with KafkaProducer(bootstrap_servers=kafka) as producer:
        producer.send(topic, b"order 3 placed").get(timeout=10)
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": topic})
    consumer.assign([ConfluentTopicPartition(topic, 0, 0)])
    values = [each.value() for each in consumer.consume(3, timeout=20)]
    consumer.close()
    assert values == [b"order 1 placed", b"order 1 paid", b"order 3 placed"]


@pytest.mark.parametrize("commits", [True, False], ids=["all", "nothing"])
def test_kafka_transaction_over_two_partitions_is_all_or_nothing(kafka, topic, commits):
    create(kafka, topic)
    with transactional(kafka, topic) as producer:
        producer.begin_transaction()
        for partition in (0, 1):
            producer.send(topic, b"order 1", partition=partition).get(timeout=10)
        assert visible(kafka, topic, 0) == visible(kafka, topic, 1) == []
        if commits:
            producer.commit_transaction()
        else:
            producer.abort_transaction()
    outcome = ["order 1"] if commits else []
    # The markers of the two partitions are written one after the other.
    assert until(lambda: readable_to_the_end(kafka, topic, [0, 1]))
    assert visible(kafka, topic, 0) == visible(kafka, topic, 1) == outcome


def readable_to_the_end(bootstrap, topic, partitions):
    """Tell whether no open transaction is in these partitions."""
    return end(bootstrap, topic, partitions, "read_committed") == end(
        bootstrap, topic, partitions, "read_uncommitted"
    )


def end(bootstrap, topic, partitions, isolation_level):
    """Return the offsets at which a reader of this isolation level has to stop."""
    with KafkaConsumer(
        bootstrap_servers=bootstrap, isolation_level=isolation_level
    ) as consumer:
        ends = consumer.end_offsets(
            [TopicPartition(topic, each) for each in partitions]
        )
        return list(ends.values())


def test_kafka_transaction_marker_takes_an_offset(kafka, topic):
    create(kafka, topic)
    with transactional(kafka, topic) as producer:
        producer.begin_transaction()
        producer.send(topic, b"order 1", partition=0)
        producer.commit_transaction()
    assert until(lambda: end(kafka, topic, [0], "read_committed") == [2])


# An open transaction.


def test_kafka_open_transaction_holds_up_later_records_of_its_partition(kafka, topic):
    program = open_transaction_blocks_readers_kafka
    with closing(program.open_transaction(kafka, topic)) as producer:
        for order, partition in (("order 2", 0), ("order 3", 1)):
            program.send_without_transaction(kafka, topic, order, partition)
        uncommitted = visible(kafka, topic, 0, "read_uncommitted")
        assert uncommitted == ["order 1", "order 2"]
        assert visible(kafka, topic, 0) == []
        assert visible(kafka, topic, 1) == ["order 3"]
        producer.abort_transaction()
        assert until(lambda: visible(kafka, topic, 0) == ["order 2"])


def test_kafka_broker_ends_a_transaction_that_is_open_for_too_long(own_kafka, topic):
    address = own_kafka.address
    create(address, topic)
    with transactional(address, topic, transaction_timeout_ms=1000) as producer:
        producer.begin_transaction()
        producer.send(topic, b"order 1", partition=0).get(timeout=10)
        assert until(lambda: readable_to_the_end(address, topic, [0]), 20)
        with pytest.raises(ProducerFencedError):
            producer.commit_transaction()
    assert visible(address, topic) == []


@pytest.mark.parametrize(
    ("setting", "milliseconds"),
    [
        # How long a transaction may ask for, and how often the broker looks for it.
        ("transaction.max.timeout.ms", 15 * 60 * 1000),
        ("transaction.abort.timed.out.transaction.cleanup.interval.ms", 10 * 1000),
        # After how long without a record or a transaction the broker forgets.
        ("producer.id.expiration.ms", 24 * 60 * 60 * 1000),
        ("transactional.id.expiration.ms", 7 * 24 * 60 * 60 * 1000),
    ],
)
def test_kafka_broker_has_by_default(admin, setting, milliseconds):
    broker = admin.describe_cluster()["brokers"][0]["broker_id"]
    resource = ConfigResource(ConfigResourceType.BROKER, str(broker))
    described = admin.describe_configs([resource], config_filter="all")
    assert described["broker"][str(broker)][setting]["value"] == str(milliseconds)


def test_kafka_refuses_a_transaction_timeout_above_the_brokers_limit(kafka, topic):
    with (
        pytest.raises(KafkaError, match="InvalidTransactionTimeout"),
        transactional(kafka, topic, transaction_timeout_ms=15 * 60 * 1000 + 1),
    ):
        pass


# Read, process, write.


def test_kafka_transactional_copy_writes_each_invoice_once_over_a_crash(kafka, topic):
    program, invoices = transactional_copy_kafka, f"{topic}-invoices"
    program.send_orders(kafka, topic, 3)
    args = (kafka, topic, 2, True)
    worker = get_context("spawn").Process(target=program.write_invoices, args=args)
    worker.start()
    worker.join(60)
    assert worker.exitcode == 1
    program.write_invoices(kafka, topic, 2)
    written = [f"invoice for order {number}" for number in (1, 2, 2, 3)]
    assert visible(kafka, invoices, 0, "read_uncommitted") == written
    del written[1]
    assert until(lambda: visible(kafka, invoices) == written)


@contextmanager
def member(bootstrap, topic, **settings):
    """A member of the topic's group that has its partitions."""
    usual = {
        "group_id": topic,
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
        "isolation_level": "read_committed",
        "max_poll_records": 1,
    }
    with KafkaConsumer(
        topic, bootstrap_servers=bootstrap, **(usual | settings)
    ) as consumer:
        consumer.partitions_for_topic(topic)
        yield consumer


def next_value(consumer):
    """Return the next value, within twenty seconds."""
    polled = []
    assert until(lambda: polled.extend(consumer.poll(100).values()) or polled, 20)
    return polled[0][0].value.decode()


def at(offset):
    return OffsetAndMetadata(offset, "", -1)


@pytest.fixture
def two_orders(kafka, topic):
    """The partition of a topic with two orders in it."""
    transactional_copy_kafka.send_orders(kafka, topic, 2)
    return TopicPartition(topic, 0)


def test_kafka_abort_does_not_take_the_consumer_back(kafka, topic, two_orders):
    with transactional(kafka, topic) as producer, member(kafka, topic) as consumer:
        assert next_value(consumer) == "order 1"
        producer.begin_transaction()
        metadata = consumer.group_metadata()
        producer.send_offsets_to_transaction({two_orders: at(1)}, metadata)
        producer.abort_transaction()
        assert next_value(consumer) == "order 2"  # Order 1 is skipped, unless …
        consumer.seek(two_orders, consumer.committed(two_orders) or 0)
        assert next_value(consumer) == "order 1"


@pytest.mark.parametrize(
    ("commits", "committed"), [(True, 1), (False, None)], ids=["commit", "abort"]
)
def test_kafka_offset_in_a_transaction_counts_only_after(
    kafka, topic, two_orders, commits, committed
):
    with transactional(kafka, topic) as producer, member(kafka, topic) as consumer:
        next_value(consumer)
        producer.begin_transaction()
        metadata = consumer.group_metadata()
        producer.send_offsets_to_transaction({two_orders: at(1)}, metadata)
        if commits:
            producer.commit_transaction()
        else:
            producer.abort_transaction()
        assert consumer.committed(two_orders) == committed


@pytest.mark.parametrize("isolation_level", ["read_uncommitted", "read_committed"])
def test_kafka_position_in_an_open_transaction_is_waited_for_by_read_committed_only(
    kafka, topic, two_orders, isolation_level
):
    settings = {"bootstrap_servers": kafka, "group_id": topic}
    with (
        transactional(kafka, topic) as producer,
        KafkaConsumer(isolation_level=isolation_level, **settings) as consumer,
    ):
        producer.begin_transaction()
        metadata = consumer.group_metadata()
        producer.send_offsets_to_transaction({two_orders: at(1)}, metadata)
        try:
            answer = consumer.committed(two_orders, timeout_ms=2000)
        except KafkaTimeoutError:
            answer = "waits"
        producer.abort_transaction()
    assert answer == ("waits" if isolation_level == "read_committed" else None)


def test_kafka_refuses_the_position_of_a_member_that_has_left_its_group(
    kafka, topic, two_orders
):
    with transactional(kafka, topic) as producer, member(kafka, topic) as second:
        with member(kafka, topic) as first:
            next_value(first)
            metadata = first.group_metadata()
        next_value(second)
        producer.begin_transaction()
        with pytest.raises(CommitFailedError):
            producer.send_offsets_to_transaction({two_orders: at(1)}, metadata)
        producer.abort_transaction()


# Fencing.


def test_kafka_fences_the_older_producer_with_the_same_transactional_id(kafka, topic):
    program = zombie_is_fenced_kafka
    with closing(program.connect(kafka, topic)) as zombie:
        program.begin(zombie, topic, "by the zombie")
        with closing(program.connect(kafka, topic)) as replacement:
            program.begin(replacement, topic, "by its replacement")
            assert program.commit(replacement) == "committed"
        assert program.commit(zombie) == "refused: ProducerFencedError"
    assert until(lambda: visible(kafka, topic) == ["by its replacement"])


@pytest.mark.parametrize(
    ("partition", "error"),
    [(0, InvalidProducerEpochError), (1, ProducerFencedError)],
    ids=["in-a-partition-of-its-transaction", "in-another-partition"],
)
def test_kafka_refuses_a_record_of_a_fenced_producer(kafka, topic, partition, error):
    create(kafka, topic)
    with transactional(kafka, topic) as zombie:
        zombie.begin_transaction()
        zombie.send(topic, b"order 1", partition=0).get(timeout=10)
        with transactional(kafka, topic), pytest.raises(error):
            zombie.send(topic, b"order 2", partition=partition).get(timeout=10)
    assert visible(kafka, topic, 0, "read_uncommitted") == ["order 1"]


def test_kafka_does_not_fence_a_producer_with_another_transactional_id(kafka, topic):
    with transactional(kafka, topic) as first, transactional(kafka, f"{topic}-2"):
        first.begin_transaction()
        first.send(topic, b"order 1").get(timeout=10)
        first.commit_transaction()
    assert until(lambda: visible(kafka, topic) == ["order 1"])


# Transactions version 2 (KIP-890): broker and Java client speak it, Python's do not.


def test_kafka_broker_has_transactions_version_2(admin):
    assert admin.describe_features()["transaction.version"]["finalized"] == (2, 2)


def epochs_of_kafka_python(bootstrap, topic, admin):
    with transactional(bootstrap, topic) as producer:
        for _ in range(3):
            producer.begin_transaction()
            producer.send(topic, b"order 1").get(timeout=10)
            producer.commit_transaction()
            yield admin.describe_transactions([topic])[topic].producer_epoch


def epochs_of_librdkafka(bootstrap, topic, admin):
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": topic})
    producer.init_transactions(10)
    for _ in range(3):
        producer.begin_transaction()
        producer.produce(topic, b"order 1")
        producer.commit_transaction(10)
        yield admin.describe_transactions([topic])[topic].producer_epoch


@pytest.mark.parametrize(
    "epochs", [epochs_of_kafka_python, epochs_of_librdkafka], ids=lambda f: f.__name__
)
def test_kafka_keeps_one_epoch_for_all_transactions_of_an_old_client(
    kafka, topic, admin, epochs
):
    create(kafka, topic)
    assert list(epochs(kafka, topic, admin)) == [0, 0, 0]


@pytest.fixture
def java_client(tmp_path):
    """A function that starts a producer of the Java client and returns two others:
    begin a transaction with a record in it, and commit it.
    """
    source, started = tmp_path / "Transactions.java", []
    source.write_text(TRANSACTIONS)

    def start(bootstrap, topic):
        command = [*java(source, tmp_path), bootstrap, topic]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, bufsize=1, **pipes))
        process = started[-1]

        def tell(line):
            process.stdin.write(f"{line}\n")
            # Warnings of the client may come before it; no line comes when it is dead.
            assert "done\n" in iter(process.stdout.readline, "")

        return tell, partial(tell, "")

    yield start
    for each in started:
        with each:
            each.kill()


def test_kafka_gives_the_java_client_a_new_epoch_for_each_transaction(
    kafka, topic, admin, java_client
):
    create(kafka, topic)
    begin, commit = java_client(kafka, topic)
    epochs = []
    for _ in range(3):
        begin("order 1")
        commit()
        epochs.append(admin.describe_transactions([topic])[topic].producer_epoch)
    assert epochs == [1, 2, 3]


def test_librdkafka_sends_the_requests_of_transactions_version_1(kafka, topic):
    create(kafka, topic)
    lines = []
    log = logging.Logger("librdkafka")
    log.addFilter(lambda record: lines.append(record.getMessage()))
    settings = {"bootstrap.servers": kafka, "transactional.id": topic}
    producer = Producer({**settings, "debug": "protocol"}, logger=log)
    producer.init_transactions(10)
    producer.begin_transaction()
    producer.produce(topic, b"order 1")
    producer.commit_transaction(10)
    producer.flush(10)
    sent = re.findall(r"Sent (\w+)Request \(v(\d+)", "\n".join(lines))
    versions = {name: int(version) for name, version in sent}
    # Version 2 begins with these: Produce 12, EndTxn 5, and no AddPartitionsToTxn.
    assert versions["Produce"] < 12
    assert versions["EndTxn"] < 5
    assert "AddPartitionsToTxn" in versions


# What the new version is for: a request that arrives when its transaction is over.

END_TXN = (26).to_bytes(2)  # The protocol's number of the request to commit or abort.


@contextmanager
def messenger(port, broker_port):
    """Carry what clients and a broker say to each other, from `port` on.

    Yields an event and a queue. When the event is set, the next EndTxn is kept and its
    connection is cut, so that the client sends it again on another one. The function in
    the queue hands the kept one to the broker and waits until it has answered.
    """
    keep, kept = Event(), Queue()

    def carry_requests(client, broker, answered):
        with suppress(OSError), client.makefile("rb") as stream:
            while size := stream.read(4):
                request = size + stream.read(int.from_bytes(size))
                if keep.is_set() and request[4:6] == END_TXN:
                    keep.clear()
                    kept.put(partial(hand_over, broker, request, answered))
                    client.shutdown(socket.SHUT_RDWR)
                    return
                broker.sendall(request)
            broker.shutdown(socket.SHUT_RDWR)

    def carry_answers(client, broker, answered):
        with suppress(OSError):
            while answer := broker.recv(65536):
                answered.set()
                client.sendall(answer)
            client.shutdown(socket.SHUT_RDWR)

    def hand_over(broker, request, answered):
        answered.clear()
        broker.sendall(request)
        assert answered.wait(10)

    def accept(listener):
        with suppress(OSError):  # The listener is closed in the end.
            while True:
                client, _ = listener.accept()
                pair = client, socket.create_connection((HOST, broker_port)), Event()
                for carry in (carry_requests, carry_answers):
                    Thread(target=carry, args=pair, daemon=True).start()

    with socket.create_server((HOST, port)) as listener:
        Thread(target=accept, args=(listener,), daemon=True).start()
        yield keep, kept


@pytest.fixture(scope="module")
def kafka_behind_messenger():
    """The address of a Kafka node behind a messenger, and the messenger's two ends."""
    port, broker_port = free_ports(2)
    address = f"{HOST}:{port}"
    settings = {"advertised.listeners": f"PLAINTEXT://{address}"}
    with (
        messenger(port, broker_port) as (keep, kept),
        start_kafka(port=broker_port, settings=settings),
    ):
        yield address, keep, kept


def kafka_python(bootstrap, topic):
    """Return two functions: begin a transaction with a record in it, and commit it."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, transactional_id=topic)
    producer.init_transactions()

    def begin(value):
        producer.begin_transaction()
        producer.send(topic, value).get(timeout=10)

    return begin, producer.commit_transaction


def librdkafka(bootstrap, topic):
    """Return the same two functions of the other client."""
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": topic})
    producer.init_transactions(10)

    def begin(value):
        producer.begin_transaction()
        producer.produce(topic, value)
        assert producer.flush(10) == 0

    return begin, lambda: producer.commit_transaction(20)


@pytest.mark.parametrize("client", [kafka_python, librdkafka])
def test_kafka_late_commit_of_an_old_client_commits_its_next_transaction(
    kafka_behind_messenger, topic, client
):
    address, keep, kept = kafka_behind_messenger
    begin, commit = client(address, topic)
    begin(b"order 1")
    keep.set()
    commit()  # The first request is kept, and the second one does it.
    begin(b"order 2")
    assert visible(address, topic) == ["order 1"]
    kept.get(timeout=10)()
    assert until(lambda: visible(address, topic) == ["order 1", "order 2"])


def test_kafka_late_commit_of_the_java_client_does_nothing(
    kafka_behind_messenger, topic, java_client
):
    address, keep, kept = kafka_behind_messenger
    begin, commit = java_client(address, topic)
    begin("order 1")
    keep.set()
    commit()
    begin("order 2")
    kept.get(timeout=10)()
    assert visible(address, topic) == ["order 1"]
    commit()
    assert until(lambda: visible(address, topic) == ["order 1", "order 2"])


def test_kafka_late_commit_of_a_producer_that_was_replaced_does_nothing(
    kafka_behind_messenger, topic
):
    address, keep, kept = kafka_behind_messenger
    begin, commit = kafka_python(address, topic)
    begin(b"order 1")
    keep.set()
    commit()
    begin, _ = kafka_python(address, topic)  # It has the next epoch.
    begin(b"order 2")
    kept.get(timeout=10)()
    assert visible(address, topic) == ["order 1"]

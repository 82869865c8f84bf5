"""The claims of chapter 1, message queue fundamentals."""

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from multiprocessing import get_context
from threading import Barrier

import pika
import pytest
from brokers import kafka as start_kafka
from brokers import rabbitmq as start_rabbitmq
from fundamentals import (
    ack_after_work_kafka,
    ack_after_work_rabbitmq,
    ack_before_work_kafka,
    ack_before_work_rabbitmq,
    backpressure_kafka,
    backpressure_rabbitmq,
    competing_consumers_kafka,
    competing_consumers_rabbitmq,
    load_levelling_kafka,
    load_levelling_rabbitmq,
    lost_in_restart_kafka,
    lost_in_restart_rabbitmq,
    order_in_one_lane_kafka,
    order_in_one_lane_rabbitmq,
    order_lost_with_two_workers_kafka,
    order_lost_with_two_workers_rabbitmq,
    publish_subscribe_kafka,
    publish_subscribe_rabbitmq,
    send_and_receive_kafka,
    send_and_receive_rabbitmq,
    survive_restart_kafka,
    survive_restart_rabbitmq,
)
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

ORDERS = ["order 1: a lamp", "order 2: two books"]


@pytest.fixture
def connection(rabbitmq):
    """A connection to RabbitMQ, closed at the end."""
    with pika.BlockingConnection(pika.URLParameters(rabbitmq)) as connection:
        yield connection


@pytest.fixture(scope="module")
def kafka_to_restart():
    """A Kafka node of its own, since the tests stop or freeze it."""
    with start_kafka() as broker:
        yield broker


@pytest.fixture(scope="module")
def rabbitmq_to_restart():
    """A RabbitMQ node of its own, since the tests stop or freeze it."""
    with start_rabbitmq() as broker:
        yield broker


# A producer and a consumer need not run at the same time.


def test_kafka_keeps_orders_until_a_consumer_comes(kafka, topic):
    send_and_receive_kafka.send_orders(kafka, topic, ORDERS)
    assert send_and_receive_kafka.receive(kafka, topic, 2) == ORDERS


def test_rabbitmq_keeps_orders_until_a_consumer_comes(rabbitmq, queue):
    send_and_receive_rabbitmq.send_orders(rabbitmq, queue, ORDERS)
    assert send_and_receive_rabbitmq.receive(rabbitmq, queue, 2) == ORDERS


# A queue forgets what was acknowledged, a log keeps it.


def test_kafka_gives_every_group_its_own_copy_and_a_late_group_the_past(kafka, topic):
    publish_subscribe_kafka.publish(kafka, topic, "placed")
    assert publish_subscribe_kafka.read_as("billing", kafka, topic, 1) == ["placed"]
    publish_subscribe_kafka.publish(kafka, topic, "paid")
    assert publish_subscribe_kafka.read_as("audit", kafka, topic, 2) == [
        "placed",
        "paid",
    ]


def test_kafka_starts_a_group_without_an_offset_at_the_end_by_default(kafka, topic):
    publish_subscribe_kafka.publish(kafka, topic, "placed")
    with KafkaConsumer(topic, bootstrap_servers=kafka, group_id=topic) as late:
        late.partitions_for_topic(topic)  # Whoever deals out partitions must know them.
        deadline = time.monotonic() + 30
        while not late.assignment() and time.monotonic() < deadline:
            late.poll(timeout_ms=100)
        late.position(TopicPartition(topic, 0))
        publish_subscribe_kafka.publish(kafka, topic, "paid")
        assert [each.value for each in islice(late, 1)] == [b"paid"]


def test_rabbitmq_copies_to_every_bound_queue_and_a_late_queue_gets_no_past(
    channel, queue
):
    billing = publish_subscribe_rabbitmq.subscribe(channel, queue, "billing")
    publish_subscribe_rabbitmq.publish(channel, queue, "placed")
    audit = publish_subscribe_rabbitmq.subscribe(channel, queue, "audit")
    publish_subscribe_rabbitmq.publish(channel, queue, "paid")
    assert publish_subscribe_rabbitmq.read_all(channel, billing) == ["placed", "paid"]
    assert publish_subscribe_rabbitmq.read_all(channel, audit) == ["paid"]


def test_rabbitmq_queue_is_empty_after_the_acknowledgement(rabbitmq, queue):
    send_and_receive_rabbitmq.send_orders(rabbitmq, queue, ORDERS)
    send_and_receive_rabbitmq.receive(rabbitmq, queue, 2)
    with pika.BlockingConnection(pika.URLParameters(rabbitmq)) as connection:
        assert connection.channel().basic_get(queue)[0] is None


def test_rabbitmq_stream_can_be_read_twice(connection, queue):
    for reading in range(2):
        channel = connection.channel()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "stream"})
        if reading == 0:
            channel.confirm_delivery()
            channel.basic_publish("", queue, b"order 1")
        channel.basic_qos(prefetch_count=10)
        first = {"x-stream-offset": "first"}
        method, _, body = next(
            channel.consume(queue, arguments=first, inactivity_timeout=10)
        )
        assert body == b"order 1"
        channel.basic_ack(method.delivery_tag)
        channel.close()


# Competing consumers: one order goes to one worker, and both work at the same time.


@pytest.mark.parametrize(
    ("program", "broker"),
    [(competing_consumers_kafka, "kafka"), (competing_consumers_rabbitmq, "rabbitmq")],
    ids=["kafka", "rabbitmq"],
)
def test_two_workers_share_the_orders(program, broker, topic, request, capsys):
    program.main(request.getfixturevalue(broker), topic)
    assert capsys.readouterr().out == (
        "worker 1 handled 3 orders, worker 2 handled 3\ndifferent orders: 6\n"
    )


def test_kafka_leaves_a_third_worker_idle_on_two_partitions(kafka, topic):
    competing_consumers_kafka.create(kafka, topic)
    members = [competing_consumers_kafka.join_group(kafka, topic) for _ in range(3)]

    def shares():
        return sorted(len(member.assignment()) for member in members)

    def poll_until_shared_out(member):
        deadline = time.monotonic() + 30
        while shares() != [0, 1, 1] and time.monotonic() < deadline:
            member.poll(timeout_ms=100)

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(poll_until_shared_out, members))
    assert shares() == [0, 1, 1]
    for member in members:
        member.close()


def test_rabbitmq_gives_a_third_worker_its_share(rabbitmq, queue):
    competing_consumers_rabbitmq.send_orders(rabbitmq, queue, 6)
    together = Barrier(3)  # Passed only if each of three workers has an order.
    with ThreadPoolExecutor(3) as threads:
        handled = threads.map(
            lambda _: competing_consumers_rabbitmq.work(rabbitmq, queue, 2, together),
            range(3),
        )
        assert [len(each) for each in handled] == [2, 2, 2]


# Load levelling and backpressure.


def test_kafka_lag_jumps_with_the_burst_and_shrinks_by_the_batch(kafka, topic):
    load_levelling_kafka.send_burst(kafka, topic, 30)
    assert list(load_levelling_kafka.work_off(kafka, topic, 10)) == [30, 20, 10, 0]


def test_rabbitmq_depth_jumps_with_the_burst_and_shrinks_by_the_batch(channel, queue):
    load_levelling_rabbitmq.send_burst(channel, queue, 30)
    assert list(load_levelling_rabbitmq.work_off(channel, queue, 10)) == [30, 20, 10, 0]


def test_kafka_sends_nothing_unasked(kafka_to_restart, topic, capsys):
    backpressure_kafka.main(kafka_to_restart, topic)
    assert capsys.readouterr().out == (
        "10 orders wait, already here: []\n"
        "asked for 3: ['order 1', 'order 2', 'order 3']\n"
    )


def test_kafka_client_fetches_ahead_once_it_has_been_asked(kafka_to_restart, topic):
    backpressure_kafka.send_orders(kafka_to_restart.address, topic, 10)
    with KafkaConsumer(
        bootstrap_servers=kafka_to_restart.address, auto_offset_reset="earliest"
    ) as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        assert backpressure_kafka.ask(consumer, 3) == ["order 1", "order 2", "order 3"]
        kafka_to_restart.pause()
        try:
            assert backpressure_kafka.ask(consumer, 1) == ["order 4"]
        finally:
            kafka_to_restart.resume()


def test_rabbitmq_pushes_up_to_the_prefetch_limit(rabbitmq_to_restart, queue, capsys):
    backpressure_rabbitmq.main(rabbitmq_to_restart, queue)
    assert capsys.readouterr().out == (
        "10 orders wait, already here: ['order 1', 'order 2', 'order 3']\n"
        "acknowledged 1, here now: ['order 1', 'order 2', 'order 3', 'order 4']\n"
    )


@pytest.mark.parametrize(
    ("queue_type", "auto_ack", "ready"),
    [("classic", True, 0), ("classic", False, 0), ("quorum", False, 500)],
    ids=["automatic", "classic", "quorum"],
)
def test_rabbitmq_without_a_prefetch_pushes(
    rabbitmq, connection, queue, queue_type, auto_ack, ready
):
    channel = connection.channel()
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": queue_type})
    channel.confirm_delivery()
    for number in range(2500):
        channel.basic_publish("", queue, str(number).encode())
    channel.basic_consume(queue, lambda *_: None, auto_ack=auto_ack)
    backpressure_rabbitmq.wait_until_ready(rabbitmq, queue, ready)


# Persistence: what a restart keeps and what it loses.


def test_kafka_keeps_an_acknowledged_order_over_a_restart(
    kafka_to_restart, topic, capsys
):
    survive_restart_kafka.main(kafka_to_restart, topic)
    assert capsys.readouterr().out.endswith("received: ['order 1: a lamp']\n")


def test_kafka_loses_an_order_that_nobody_waited_for(kafka_to_restart, topic, capsys):
    lost_in_restart_kafka.main(kafka_to_restart, topic)
    printed = capsys.readouterr().out
    assert "order 2 was sent" in printed
    assert printed.endswith("received: ['order 1: a lamp']\n")


def test_rabbitmq_keeps_a_persistent_message_over_a_restart(
    rabbitmq_to_restart, queue, capsys
):
    survive_restart_rabbitmq.main(rabbitmq_to_restart, queue)
    assert capsys.readouterr().out.endswith("received: ['order 1: a lamp']\n")


def test_rabbitmq_loses_a_transient_message_in_a_durable_queue(
    rabbitmq_to_restart, queue, capsys
):
    lost_in_restart_rabbitmq.main(rabbitmq_to_restart, queue)
    assert capsys.readouterr().out.endswith("received: []\n")


# Acknowledgement: before the work loses, after the work repeats.


@pytest.mark.parametrize(
    ("program", "broker", "again"),
    [
        (ack_after_work_kafka, "kafka", ""),
        (ack_after_work_rabbitmq, "rabbitmq", " (redelivered)"),
    ],
    ids=["kafka", "rabbitmq"],
)
def test_ack_after_work_repeats_it(program, broker, again, topic, request, capfd):
    program.main(request.getfixturevalue(broker), topic)
    assert capfd.readouterr().out == (
        "worker 1 charges the card for order 7\n"
        "worker 1 died with exit code 1\n"
        f"worker 2 charges the card for order 7{again}\n"
    )


@pytest.mark.parametrize(
    ("program", "broker"),
    [(ack_before_work_kafka, "kafka"), (ack_before_work_rabbitmq, "rabbitmq")],
    ids=["kafka", "rabbitmq"],
)
def test_ack_before_work_loses_it(program, broker, topic, request, capfd):
    program.main(request.getfixturevalue(broker), topic)
    assert capfd.readouterr().out == (
        "worker 1 died with exit code 1\nworker 2 finds no order\n"
    )


def worker_dies(program, address, name):
    """Send an order, let a worker die with it, and return the time of its death."""
    program.send_order(address, name, "order 7")
    args = (address, name, "worker 1", True)
    worker = get_context("spawn").Process(target=program.work_on_one, args=args)
    worker.start()
    worker.join(60)
    return time.monotonic()


def test_kafka_waits_out_the_session_of_a_dead_worker(kafka, topic):
    died = worker_dies(ack_after_work_kafka, kafka, topic)
    ack_after_work_kafka.work_on_one(kafka, topic, "worker 2")
    # The session of six seconds began a little before the worker died.
    assert 3 < time.monotonic() - died < 12


def test_rabbitmq_delivers_again_when_the_connection_ends(rabbitmq, queue):
    died = worker_dies(ack_after_work_rabbitmq, rabbitmq, queue)
    ack_after_work_rabbitmq.work_on_one(rabbitmq, queue, "worker 2")
    assert time.monotonic() - died < 5  # Less than a session.


def test_kafka_keeps_the_record_that_a_group_has_passed(kafka, topic):
    worker_dies(ack_before_work_kafka, kafka, topic)
    assert send_and_receive_kafka.receive(kafka, topic, 1) == ["order 7"]


# Order: one lane keeps it, two workers lose it.


@pytest.mark.parametrize(
    ("program", "broker", "done"),
    [
        (order_in_one_lane_kafka, "kafka", "placed, paid, shipped"),
        (order_in_one_lane_rabbitmq, "rabbitmq", "placed, paid, shipped"),
        (order_lost_with_two_workers_kafka, "kafka", "paid, shipped, placed"),
        (order_lost_with_two_workers_rabbitmq, "rabbitmq", "paid, shipped, placed"),
    ],
    ids=[
        "one-lane-kafka",
        "one-lane-rabbitmq",
        "two-workers-kafka",
        "two-workers-rabbitmq",
    ],
)
def test_order_is_kept_in_one_lane_only(program, broker, done, topic, request, capsys):
    program.main(request.getfixturevalue(broker), topic)
    assert f"done: {done}\n" in capsys.readouterr().out


def test_kafka_keeps_the_order_of_each_key_in_two_partitions(kafka, topic):
    order_in_one_lane_kafka.create(kafka, topic)
    with KafkaProducer(bootstrap_servers=kafka) as producer:
        for number in range(100):
            for key in (b"placed", b"paid"):  # They are in different partitions.
                producer.send(topic, str(number).encode(), key=key)
        producer.flush(timeout=10)
    with KafkaConsumer(
        topic,
        bootstrap_servers=kafka,
        auto_offset_reset="earliest",
        consumer_timeout_ms=10000,
    ) as consumer:
        records = list(islice(consumer, 200))
    assert {record.partition for record in records} == {0, 1}
    for key in (b"placed", b"paid"):
        values = [int(record.value) for record in records if record.key == key]
        assert values == list(range(100))

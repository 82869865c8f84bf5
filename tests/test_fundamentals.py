"""The claims of chapter 1, message queue fundamentals."""

import time
from concurrent.futures import ThreadPoolExecutor
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


@pytest.fixture
def channel(connection):
    """A channel to RabbitMQ on which publishing waits for the broker's confirm."""
    channel = connection.channel()
    channel.confirm_delivery()
    return channel


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
    assert publish_subscribe_kafka.read_as("audit", kafka, topic, 2) == ["placed", "paid"]


def test_kafka_starts_a_group_without_an_offset_at_the_end_by_default(kafka, topic):
    publish_subscribe_kafka.publish(kafka, topic, "placed")
    with KafkaConsumer(
        topic, bootstrap_servers=kafka, group_id=f"{topic}-late", consumer_timeout_ms=2000
    ) as consumer:
        assert list(consumer) == []


def test_rabbitmq_copies_to_every_bound_queue_and_a_late_queue_gets_no_past(channel, queue):
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
        method, _, body = next(channel.consume(queue, arguments=first, inactivity_timeout=10))
        assert body == b"order 1"
        channel.basic_ack(method.delivery_tag)
        channel.close()


# Competing consumers: one order goes to one worker.


@pytest.mark.parametrize(
    ("program", "broker"),
    [(competing_consumers_kafka, "kafka"), (competing_consumers_rabbitmq, "rabbitmq")],
    ids=["kafka", "rabbitmq"],
)
def test_each_order_goes_to_one_of_two_workers(program, broker, topic, request):
    address = request.getfixturevalue(broker)
    if program is competing_consumers_kafka:
        program.create_topic(address, topic, partitions=2)
    ready = Barrier(3)
    with ThreadPoolExecutor(2) as workers:
        handled = [workers.submit(program.work, address, topic, 3, ready) for _ in range(2)]
        ready.wait(60)
        program.send_orders(address, topic, 6)
    one, other = (set(each.result()) for each in handled)
    assert len(one) == len(other) == 3
    assert one | other == {f"order {n}" for n in range(1, 7)}


def test_kafka_leaves_a_third_worker_idle_on_two_partitions(kafka, topic):
    competing_consumers_kafka.create_topic(kafka, topic, partitions=2)
    members = [KafkaConsumer(topic, bootstrap_servers=kafka, group_id=topic) for _ in range(3)]
    shares = []
    deadline = time.monotonic() + 30
    while shares != [0, 1, 1] and time.monotonic() < deadline:
        for member in members:
            member.poll(timeout_ms=50)
        shares = sorted(len(member.assignment()) for member in members)
    for member in members:
        member.close()
    assert shares == [0, 1, 1]


def test_rabbitmq_deals_out_to_a_third_worker_too(rabbitmq, queue):
    ready = Barrier(4)
    work = competing_consumers_rabbitmq.work
    with ThreadPoolExecutor(3) as workers:
        handled = [workers.submit(work, rabbitmq, queue, 2, ready) for _ in range(3)]
        ready.wait(60)
        competing_consumers_rabbitmq.send_orders(rabbitmq, queue, 6)
    assert [len(each.result()) for each in handled] == [2, 2, 2]


# Load levelling and backpressure.


def test_kafka_lag_jumps_with_the_burst_and_shrinks_by_the_batch(kafka, topic):
    load_levelling_kafka.send_burst(kafka, topic, 30)
    assert list(load_levelling_kafka.work_off(kafka, topic, 10)) == [30, 20, 10, 0]


def test_rabbitmq_depth_jumps_with_the_burst_and_shrinks_by_the_batch(channel, queue):
    load_levelling_rabbitmq.send_burst(channel, queue, 30)
    assert list(load_levelling_rabbitmq.work_off(channel, queue, 10)) == [30, 20, 10, 0]


def test_kafka_gives_a_consumer_what_it_asks_for(kafka, topic):
    backpressure_kafka.send_orders(kafka, topic, 10)
    with KafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest") as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        assert backpressure_kafka.take(consumer, 3) == ["order 1", "order 2", "order 3"]
        assert consumer.position(TopicPartition(topic, 0)) == 3


def test_rabbitmq_stops_at_the_prefetch_limit(channel, queue):
    backpressure_rabbitmq.send_orders(channel, queue, 10)
    channel.basic_qos(prefetch_count=3)
    deliveries = channel.consume(queue, inactivity_timeout=1)
    taken = backpressure_rabbitmq.take(deliveries)
    assert [order for _, order in taken] == ["order 1", "order 2", "order 3"]
    channel.basic_ack(taken[0][0])
    assert [order for _, order in backpressure_rabbitmq.take(deliveries)] == ["order 4"]


def test_rabbitmq_without_a_limit_pushes_everything(channel, queue):
    backpressure_rabbitmq.send_orders(channel, queue, 500)
    deliveries = channel.consume(queue, auto_ack=True, inactivity_timeout=1)
    assert len(backpressure_rabbitmq.take(deliveries)) == 500


# Persistence: what a restart keeps and what it loses.


@pytest.fixture(scope="module")
def kafka_to_restart():
    """A Kafka node of its own, since the tests stop it."""
    with start_kafka() as broker:
        yield broker


@pytest.fixture(scope="module")
def rabbitmq_to_restart():
    """A RabbitMQ node of its own, since the tests stop it."""
    with start_rabbitmq() as broker:
        yield broker


def test_kafka_keeps_an_acknowledged_order_over_a_restart(kafka_to_restart, topic, capsys):
    survive_restart_kafka.main(kafka_to_restart, topic)
    assert capsys.readouterr().out.endswith("received: ['order 1: a lamp']\n")


def test_kafka_loses_an_order_that_nobody_waited_for(kafka_to_restart, topic, capsys):
    lost_in_restart_kafka.main(kafka_to_restart, topic)
    printed = capsys.readouterr().out
    assert "order 2 was sent" in printed
    assert printed.endswith("received: ['order 1: a lamp']\n")


def test_rabbitmq_keeps_a_persistent_message_over_a_restart(rabbitmq_to_restart, queue, capsys):
    survive_restart_rabbitmq.main(rabbitmq_to_restart, queue)
    assert capsys.readouterr().out.endswith("received: ['order 1: a lamp']\n")


def test_rabbitmq_loses_a_transient_message_in_a_durable_queue(rabbitmq_to_restart, queue, capsys):
    lost_in_restart_rabbitmq.main(rabbitmq_to_restart, queue)
    assert capsys.readouterr().out.endswith("received: []\n")


# Acknowledgement: before the work loses, after the work repeats.


def first_worker_dies(program, address, name):
    """Send one order, let a worker process die in the middle of it, and return its exit code."""
    program.send_order(address, name, "order 7")
    worker = get_context("spawn").Process(target=program.work_on_one, args=(address, name, True))
    worker.start()
    worker.join(60)
    return worker.exitcode


def test_kafka_gives_an_uncommitted_order_to_the_next_worker_after_the_session(kafka, topic):
    assert first_worker_dies(ack_after_work_kafka, kafka, topic) == 1
    died = time.monotonic()
    assert ack_after_work_kafka.work_on_one(kafka, topic) == "order 7"
    # The group waits out the dead worker's session of six seconds, which began a little earlier.
    assert 3 < time.monotonic() - died < 10


def test_kafka_does_not_give_a_committed_order_again(kafka, topic):
    assert first_worker_dies(ack_before_work_kafka, kafka, topic) == 1
    assert ack_before_work_kafka.work_on_one(kafka, topic) is None


def test_rabbitmq_gives_an_unacknowledged_order_to_the_next_worker_at_once(rabbitmq, queue):
    assert first_worker_dies(ack_after_work_rabbitmq, rabbitmq, queue) == 1
    died = time.monotonic()
    assert ack_after_work_rabbitmq.work_on_one(rabbitmq, queue) == "order 7, redelivered: True"
    assert time.monotonic() - died < 3  # The end of the connection is the news.


def test_rabbitmq_does_not_give_an_acknowledged_order_again(rabbitmq, queue):
    assert first_worker_dies(ack_before_work_rabbitmq, rabbitmq, queue) == 1
    assert ack_before_work_rabbitmq.work_on_one(rabbitmq, queue) is None


# Order: one lane keeps it, two workers lose it.


@pytest.mark.parametrize(
    ("program", "broker", "done"),
    [
        (order_in_one_lane_kafka, "kafka", "placed, paid, shipped"),
        (order_in_one_lane_rabbitmq, "rabbitmq", "placed, paid, shipped"),
        (order_lost_with_two_workers_kafka, "kafka", "paid, shipped, placed"),
        (order_lost_with_two_workers_rabbitmq, "rabbitmq", "paid, shipped, placed"),
    ],
    ids=["one-lane-kafka", "one-lane-rabbitmq", "two-workers-kafka", "two-workers-rabbitmq"],
)
def test_order_is_kept_in_one_lane_only(program, broker, done, topic, request, capsys):
    program.main(request.getfixturevalue(broker), topic)
    assert f"done: {done}\n" in capsys.readouterr().out


def test_kafka_keeps_the_order_within_a_partition(kafka, topic):
    with KafkaProducer(bootstrap_servers=kafka) as producer:
        for number in range(100):
            producer.send(topic, str(number).encode(), key=b"order 1")
        producer.flush(timeout=10)
    received = send_and_receive_kafka.receive(kafka, topic, 100)
    assert received == [str(number) for number in range(100)]

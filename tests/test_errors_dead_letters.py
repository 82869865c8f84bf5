"""The claims of chapter 8 about dead letters: what they say, their loss, replaying."""

import json
from datetime import datetime
from uuid import uuid4

import pika
import pytest
from brokers import rabbitmq as start_rabbitmq
from brokers.rabbitmq_node import rabbitmqctl
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
)
from error_handling import (
    dead_letter_at_least_once_kafka,
    dead_letter_at_least_once_rabbitmq,
    dead_letter_loss_kafka,
    dead_letter_loss_rabbitmq,
    dead_letter_queue_kafka,
    dead_letter_queue_rabbitmq,
    replay_dead_letters_kafka,
    replay_dead_letters_rabbitmq,
)
from kafka import KafkaProducer
from waiting import until

DEATHS = dead_letter_queue_rabbitmq.DEATHS
PERSISTENT = dead_letter_loss_rabbitmq.PERSISTENT


@pytest.fixture(scope="module")
def node():
    """A RabbitMQ of its own, since the programs restart it."""
    with start_rabbitmq() as broker:
        yield broker


def declare(channel, queue, **arguments):
    """Declare a quorum queue; `_` in the names of the arguments stands for `-`."""
    named = {f"x-{name.replace('_', '-')}": each for name, each in arguments.items()}
    arguments = {"x-queue-type": "quorum", **named}
    channel.queue_declare(queue, durable=True, arguments=arguments)


def to(queue):
    return {"dead_letter_exchange": "", "dead_letter_routing_key": queue}


def ready(channel, queue):
    return channel.queue_declare(queue, passive=True).method.message_count


def take(channel, queue):
    method, properties, body = dead_letter_queue_rabbitmq.take(channel, queue)
    assert method is not None
    return method, properties, body


def refuse(channel, queue):
    channel.basic_reject(take(channel, queue)[0].delivery_tag, requeue=False)


# What a letter says.


@pytest.mark.parametrize("reason", DEATHS)
def test_rabbitmq_says_why_where_and_how_often(channel, queue, reason):
    dead_letter_queue_rabbitmq.declare(channel, queue)
    order, headers = dead_letter_queue_rabbitmq.let_die(channel, queue, reason)
    (death,) = headers["x-death"]
    assert isinstance(death.pop("time"), datetime)
    assert (order, death) == (
        "order 1",
        {
            "reason": reason,
            "queue": f"{queue}-{reason}",
            "exchange": queue,
            "routing-keys": [f"placed.{reason}"],
            "count": 1,
        },
    )
    assert headers["x-first-death-reason"] == reason


def test_rabbitmq_names_the_first_and_the_last_death_and_has_the_newest_on_top(
    channel, queue
):
    dead, again = f"{queue}-dead", f"{queue}-again"
    declare(channel, dead)
    declare(channel, again, **to(dead), message_ttl=50)
    declare(channel, queue, **to(again))
    channel.basic_publish("", queue, b"order 1")
    refuse(channel, queue)
    headers = take(channel, dead)[1].headers
    assert [death["queue"] for death in headers["x-death"]] == [again, queue]
    assert headers["x-first-death-queue"] == queue
    assert headers["x-last-death-queue"] == again
    assert headers["x-last-death-reason"] == "expired"


def test_rabbitmq_drops_a_cycle_of_expiries_and_keeps_one_with_a_reject(channel, queue):
    one, two, work = f"{queue}-1", f"{queue}-2", f"{queue}-work"
    declare(channel, one, **to(two), message_ttl=50)
    declare(channel, two, **to(one), message_ttl=50)
    channel.basic_publish("", one, b"round and round")
    assert until(lambda: ready(channel, one) == ready(channel, two) == 0, 10)
    declare(channel, work, **to(f"{queue}-wait"))
    declare(channel, f"{queue}-wait", **to(work), message_ttl=50)
    channel.basic_publish("", work, b"there and back")
    refuse(channel, work)
    assert take(channel, work)[2] == b"there and back"


def test_rabbitmq_drops_what_is_refused_without_a_dead_letter_exchange(channel, queue):
    declare(channel, queue)
    channel.basic_publish("", queue, b"order 1")
    refuse(channel, queue)
    assert ready(channel, queue) == 0


def test_kafka_letter_says_what_its_writer_puts_in(kafka, topic, capsys):
    dead_letter_queue_kafka.main(kafka, topic)
    assert capsys.readouterr().out.splitlines() == [
        "b'ann' b'order 2'",
        "  dead.topic: orders",
        "  dead.partition: 0",
        "  dead.offset: 1",
        "  dead.error: JSONDecodeError",
        "  dead.attempts: 1",
        "b'ann' b'{\"order\": 3, \"cents\": -1}'",
        "  dead.topic: orders",
        "  dead.partition: 0",
        "  dead.offset: 2",
        "  dead.error: ConnectionError",
        "  dead.attempts: 3",
    ]


def test_a_permanent_error_is_not_tried_again():
    tried = []

    def handle(order):
        tried.append(order)
        json.loads(order)

    error, attempts = dead_letter_queue_kafka.try_to(handle, b"order 2")
    assert isinstance(error, ValueError)
    assert (tried, attempts) == ([b"order 2"], 1)


@pytest.mark.parametrize(
    ("name", "value", "known"),
    [
        ("share.delivery.count.limit", "3", True),
        ("errors.deadletterqueue.topic.name", "dlq.orders", False),  # KIP-1191.
    ],
)
def test_kafka_share_groups_have_no_dead_letters_before_4_4(
    kafka, topic, name, value, known
):
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource("GROUP", topic, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": kafka})
    (answer,) = admin.incremental_alter_configs([resource]).values()
    error = answer.exception(30)
    assert (error is None) == known
    assert known or f"Unknown group config name: {name}" in str(error)


# What is lost, and what is kept.


def test_kafka_loses_a_dead_letter_if_the_commit_comes_first(kafka, topic, capsys):
    dead_letter_loss_kafka.main(kafka, topic)
    assert capsys.readouterr().out.splitlines() == [
        "worker 1 handled ['order 1'], killed: True",
        "worker 2 handled ['order 3']",
        "dead letters: []",
    ]


def test_kafka_doubles_a_dead_letter_if_the_commit_comes_last(kafka, topic, capsys):
    dead_letter_at_least_once_kafka.main(kafka, topic)
    assert capsys.readouterr().out.splitlines() == [
        "worker 1 handled ['order 1'], killed: True",
        "worker 2 handled ['order 3']",
        "dead letters: ['order 2 (bad)', 'order 2 (bad)']",
    ]


def test_kafka_with_acks_0_reports_a_dead_letter_that_nobody_took(kafka, topic):
    with KafkaProducer(
        bootstrap_servers=kafka,
        acks=0,
        enable_idempotence=False,
        max_request_size=2_000_000,
    ) as producer:
        producer.partitions_for(topic)
        too_big = bytes(1_500_000)  # A topic takes batches of up to 1,048,588 bytes.
        producer.send(topic, too_big).get(timeout=10)  # It raises nothing.
    assert dead_letter_loss_kafka.read_all(kafka, topic) == []


def test_rabbitmq_loses_a_dead_letter_that_no_queue_takes_by_default(node, capsys):
    dead_letter_loss_rabbitmq.main(node, f"orders-{uuid4().hex}")
    assert capsys.readouterr().out.splitlines() == [
        "made too late: []",
        "was full: ['old letter']",
        "after a restart, 1: []",
        "after a restart, 2: []",
    ]


def test_rabbitmq_keeps_it_with_the_strategy_at_least_once(node, capsys):
    dead_letter_at_least_once_rabbitmq.main(node, f"orders-{uuid4().hex}")
    assert capsys.readouterr().out.splitlines() == [
        "made too late: []",
        "was full: ['old letter']",
        "after a restart, 1: ['order 1']",
        "after a restart, 2: ['order 2']",
    ]


TIMEOUT = "rabbit, dead_letter_worker_publisher_confirm_timeout"


def test_rabbitmq_tries_again_after_three_minutes(node):
    told = rabbitmqctl(node.nodes[0], "eval", f"application:get_env({TIMEOUT}).")
    assert told.strip() == "{ok,180000}"


KEEP = {"dead_letter_strategy": "at-least-once", "overflow": "reject-publish"}


@pytest.mark.parametrize(
    ("overflow", "kept"), [("reject-publish", True), ("drop-head", False)]
)
def test_rabbitmq_keeps_letters_only_if_it_refuses_when_full(
    node, queue, overflow, kept
):
    # Half a second instead of three minutes, for queues that are declared from now on.
    rabbitmqctl(node.nodes[0], "eval", f"application:set_env({TIMEOUT}, 500).")
    with pika.BlockingConnection(pika.URLParameters(node.address)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        declare(channel, queue, **to(f"{queue}-dead"), **KEEP | {"overflow": overflow})
        channel.basic_publish("", queue, b"order 1")
        refuse(channel, queue)
        assert ready(channel, queue) == 0  # The count does not show what is kept.
        declare(channel, f"{queue}-dead")
        assert until(lambda: ready(channel, f"{queue}-dead") == 1, 3) == kept
    rabbitmqctl(node.nodes[0], "eval", f"application:set_env({TIMEOUT}, 180000).")


@pytest.mark.parametrize(("strategy", "full"), [(KEEP, True), ({}, False)])
def test_rabbitmq_unsent_letters_take_the_room_of_new_messages(
    channel, queue, strategy, full
):
    limits = {"overflow": "reject-publish", "max_length": 2, **strategy}
    declare(channel, queue, **to(f"{queue}-dead"), **limits)
    refused = 0
    for _ in range(6):
        try:
            channel.basic_publish("", queue, b"order")
            refuse(channel, queue)
        except pika.exceptions.NackError:
            refused += 1
    assert ready(channel, queue) == 0
    assert (refused > 0) == full


def publish_until_refused(channel, queue):
    """Return how many messages the queue takes, which may be more than its limit."""
    for taken in range(10):
        try:
            channel.basic_publish("", queue, b"old letter", PERSISTENT)
        except pika.exceptions.NackError:
            return taken
    raise AssertionError("The queue refuses nothing.")


@pytest.mark.parametrize(("kind", "passed"), [("classic", 0), ("quorum", 4)])
def test_rabbitmq_dead_letters_pass_the_limit_of_a_full_quorum_queue_by_default(
    channel, queue, kind, passed
):
    dead, limit = f"{queue}-dead", {"x-max-length": 1, "x-overflow": "reject-publish"}
    channel.queue_declare(dead, durable=True, arguments=limit | {"x-queue-type": kind})
    taken = publish_until_refused(channel, dead)
    declare(channel, queue, **to(dead))
    for number in range(4):
        channel.basic_publish("", queue, b"%d" % number)
        refuse(channel, queue)
    until(lambda: ready(channel, dead) == taken + 4, 2)
    assert ready(channel, dead) == taken + passed


# Replaying.


@pytest.mark.parametrize("broker", ["kafka", "rabbitmq"])
def test_a_replay_that_was_killed_loses_nothing_and_what_fails_again_is_parked(
    request, capsys, broker, queue
):
    program = {
        "kafka": replay_dead_letters_kafka,
        "rabbitmq": replay_dead_letters_rabbitmq,
    }[broker]
    program.main(request.getfixturevalue(broker), queue)
    assert capsys.readouterr().out.splitlines() == [
        "replayed, then killed: ['order 1', 'order 2', 'order 3']",
        "replayed by the next: ['order 3', 'order 4', 'order 5', 'order 6']",
        "no faster than the pace: True",
        "came twice: ['order 3']",
        "handled: ['order 1', 'order 2', 'order 3', 'order 4', 'order 6']",
        "dead again, sent aside: ['order 5']",
        "parked: [('order 5', 1)]",
    ]

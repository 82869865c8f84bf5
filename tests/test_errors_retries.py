"""The claims of chapter 8 about retries: at once, later, spread, and in order."""

import time
from collections import Counter, defaultdict
from contextlib import ExitStack
from functools import partial
from itertools import chain, repeat

import confluent_kafka
import pytest
from confluent_kafka import Consumer
from error_handling import (
    backoff_with_jitter_kafka,
    backoff_with_jitter_rabbitmq,
    immediate_retry_kafka,
    immediate_retry_rabbitmq,
    retry_delay_queue_kafka,
    retry_delay_queue_rabbitmq,
    retry_topics_break_order_kafka,
    retry_topics_break_order_rabbitmq,
)
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

TWINS = pytest.mark.parametrize("broker", ["kafka", "rabbitmq"])


@pytest.fixture
def run(request, capsys):
    """A function that runs a program and returns the lines that it printed."""

    def run(program, broker):
        program.main(request.getfixturevalue(broker))
        return capsys.readouterr().out.splitlines()

    return run


# At once.


@TWINS
def test_a_retry_at_once_cures_two_errors_and_no_outage(run, broker):
    programs = {"kafka": immediate_retry_kafka, "rabbitmq": immediate_retry_rabbitmq}
    assert run(programs[broker], broker)[:2] == [
        "two errors: ('order 1', 'charged'), calls: 3",
        "an outage: ('order 2', 'given up with 503'), calls: 3",
    ]


@TWINS
def test_three_layers_that_try_three_times_make_27_calls(run, broker):
    programs = {"kafka": immediate_retry_kafka, "rabbitmq": immediate_retry_rabbitmq}
    last = "three layers: ('order 3', 'given up with 503'), calls: 27"
    assert run(programs[broker], broker)[2] == last


@pytest.mark.parametrize(("tries", "layers"), [(2, 3), (3, 2), (4, 3)])
def test_calls_are_the_tries_to_the_power_of_the_layers(tries, layers):
    program = immediate_retry_kafka
    with ExitStack() as services:
        below, calls = services.enter_context(program.serve(lambda: 503))
        for _ in range(layers - 1):
            answer = partial(program.retry, below, tries)
            below, _ = services.enter_context(program.serve(answer))
        program.retry(below, tries)
    assert len(calls) == tries**layers


def test_all_tries_at_once_are_over_within_a_second():
    seconds = []
    with immediate_retry_kafka.serve(lambda: 503) as (url, calls):
        for _ in range(3):  # Something else may run meanwhile.
            began = time.monotonic()
            immediate_retry_kafka.retry(url)
            seconds.append(time.monotonic() - began)
    assert min(seconds) < 1
    assert len(calls) == 3 * 3


def charge_all(url, orders, budget):
    """Charge orders with up to three tries each, while retries are within `budget`."""
    calls = retries = 0
    for _ in range(orders):
        calls += 1
        status = immediate_retry_kafka.retry(url, tries=1)
        for _ in range(2):
            if status == 200 or retries >= budget * calls:
                break
            calls, retries = calls + 1, retries + 1
            status = immediate_retry_kafka.retry(url, tries=1)


@pytest.mark.parametrize(("budget", "most"), [(1, 300), (0.1, 112)])
def test_a_budget_of_a_tenth_keeps_an_outage_from_tripling_the_calls(budget, most):
    with immediate_retry_kafka.serve(lambda: 503) as (url, calls):
        charge_all(url, 100, budget)
    assert most - 3 <= len(calls) <= most


def test_a_budget_of_a_tenth_still_cures_one_error_in_twenty():
    statuses = chain.from_iterable(repeat([200] * 19 + [503]))
    charged = []

    def answer():
        charged.append(next(statuses))
        return charged[-1]

    with immediate_retry_kafka.serve(answer) as (url, _):
        charge_all(url, 100, 0.1)
    assert charged.count(200) == 100


# Later, and spread.


@TWINS
def test_jitter_makes_the_busiest_quarter_second_three_times_quieter(run, broker):
    program = {
        "kafka": backoff_with_jitter_kafka,
        "rabbitmq": backoff_with_jitter_rabbitmq,
    }[broker]
    assert run(program, broker) == [
        "orders charged: 60 without jitter, 60 with jitter",
        "without jitter over half came at once: True",
        "at least 3 times more at once: True",
    ]


def test_exponential_backoff_doubles_up_to_its_cap():
    waits = [backoff_with_jitter_kafka.exponential(each) for each in range(5)]
    assert waits == [3, 6, 12, 20, 20]


def test_full_jitter_is_anything_up_to_the_backoff_and_half_of_it_on_average():
    waits = [backoff_with_jitter_kafka.full_jitter(1) for _ in range(10_000)]
    assert 0 <= min(waits) < 0.1
    assert 5.9 < max(waits) <= 6
    assert 2.9 < sum(waits) / len(waits) < 3.1


def declare(channel, queue, **arguments):
    arguments = {"x-queue-type": "quorum", **arguments}
    channel.queue_declare(queue, durable=True, arguments=arguments)


def test_rabbitmq_delayed_retry_gives_a_herd_back_as_a_herd(channel, queue):
    delayed = {"x-delayed-retry-type": "all", "x-delayed-retry-min": 4000}
    declare(channel, queue, **delayed, **{"x-delayed-retry-max": 16000})
    for number in range(60):
        channel.basic_publish("", queue, b"%d" % number)
    channel.basic_qos(prefetch_count=60)
    tags, back = [], []
    for method, _, _ in channel.consume(queue, inactivity_timeout=10):
        assert method is not None
        (tags if len(tags) < 60 else back).append(method.delivery_tag)
        if len(tags) == 60 and not back:
            for tag in tags:
                channel.basic_reject(tag, requeue=True)
            rejected = time.monotonic()
        elif len(back) == 1:
            first = time.monotonic()
        elif len(back) == 60:
            break
    assert first - rejected > 3
    assert time.monotonic() - first < 3  # Not spread over the four seconds.


# In a queue or a topic for each delay.


@TWINS
def test_each_retry_waits_longer_and_the_last_failure_is_a_dead_letter(run, broker):
    program = {"kafka": retry_delay_queue_kafka, "rabbitmq": retry_delay_queue_rabbitmq}
    assert run(program[broker], broker) == [
        "order 1: [(1, 'put off'), (2, 'put off'), (3, 'put off'), (4, 'dead')]",
        "order 2: [(1, 'done')]",
        "order 3: [(1, 'put off'), (2, 'put off'), (3, 'done')]",
        "finished: ['order 2', 'order 3', 'order 1']",
        "too early: 0",
        "dead letter: order 1, attempts: 4",
    ]


def test_rabbitmq_forgets_the_deaths_of_a_message_that_a_client_sends_on(
    channel, queue
):
    declare(channel, queue)
    back = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue}
    declare(channel, f"{queue}-retry", **back, **{"x-message-ttl": 50})
    channel.basic_publish("", f"{queue}-retry", b"order 1")
    counts = []
    for method, properties, body in channel.consume(queue, inactivity_timeout=10):
        (death,) = properties.headers["x-death"]
        counts.append(death["count"])
        channel.basic_ack(method.delivery_tag)
        if len(counts) == 3:
            break
        channel.basic_publish("", f"{queue}-retry", body, properties)
    assert counts == [1, 1, 1]  # So a program must count its attempts itself.


def test_rabbitmq_counts_the_rounds_of_a_message_that_is_refused_into_the_retry_queue(
    channel, queue
):
    to = {"x-dead-letter-exchange": ""}
    declare(channel, queue, **to, **{"x-dead-letter-routing-key": f"{queue}-retry"})
    back = {"x-dead-letter-routing-key": queue, "x-message-ttl": 50}
    declare(channel, f"{queue}-retry", **to, **back)
    channel.basic_publish("", queue, b"order 1")
    rounds = []
    for method, properties, _ in channel.consume(queue, inactivity_timeout=10):
        deaths = (properties.headers or {}).get("x-death", [])
        rounds.append([(death["reason"], death["count"]) for death in deaths])
        if len(rounds) == 3:
            break
        channel.basic_reject(method.delivery_tag, requeue=False)
    assert rounds == [
        [],
        [("expired", 1), ("rejected", 1)],
        [("expired", 2), ("rejected", 2)],
    ]


# What is paused.


def test_kafka_python_3_0_12_loses_sight_of_the_rest_of_a_paused_batch(kafka, topic):
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        admin.create_topics({topic: {"num_partitions": 2}}, wait_for_metadata=True)
    paused, other = TopicPartition(topic, 0), TopicPartition(topic, 1)
    with (
        KafkaProducer(bootstrap_servers=kafka) as producer,
        KafkaConsumer(
            bootstrap_servers=kafka, auto_offset_reset="earliest"
        ) as consumer,
    ):
        for order in (b"order 1", b"order 2"):
            producer.send(topic, order, partition=0)
        producer.flush()
        consumer.assign([paused, other])
        assert list(consumer.poll(10_000, max_records=1)) == [paused]
        consumer.pause(paused)
        producer.send(topic, b"order 3", partition=1).get(timeout=10)
        assert list(consumer.poll(10_000, max_records=1)) == [other]
        consumer.resume(paused)
        assert consumer.poll(3000) == {}  # Here order 2 is due.
        consumer.seek(paused, 1)
        assert consumer.poll(1000) == {}


def test_librdkafka_gives_out_the_rest_of_a_batch_that_was_paused(kafka, topic):
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        admin.create_topics({topic: {"num_partitions": 2}}, wait_for_metadata=True)
    paused, other = (confluent_kafka.TopicPartition(topic, each) for each in (0, 1))
    start = {"group.id": topic, "auto.offset.reset": "earliest"}
    with (
        KafkaProducer(bootstrap_servers=kafka) as producer,
        Consumer({"bootstrap.servers": kafka, **start}) as consumer,
    ):
        for order in (b"order 1", b"order 2"):
            producer.send(topic, order, partition=0)
        producer.flush()
        consumer.assign([paused, other])
        assert consumer.poll(10).value() == b"order 1"
        consumer.pause([paused])
        producer.send(topic, b"order 3", partition=1).get(timeout=10)
        assert consumer.poll(10).value() == b"order 3"
        consumer.resume([paused])
        assert consumer.poll(10).value() == b"order 2"


# In order.


BREAK = {
    "kafka": retry_topics_break_order_kafka,
    "rabbitmq": retry_topics_break_order_rabbitmq,
}


@TWINS
def test_a_retry_is_overtaken_unless_what_is_behind_it_waits_too(run, broker):
    assert run(BREAK[broker], broker) == [
        "each alone: ['ann 2', 'bob 1', 'ann 3', 'ann 1']",
        "in line: ['bob 1', 'ann 1', 'ann 2', 'ann 3']",
    ]


def test_keeping_the_line_makes_other_customers_wait_for_nobody():
    lines, failures = defaultdict(list), Counter({"ann 1": 1})
    handle = partial(BREAK["kafka"].handle, lines=lines, failures=failures)
    orders = ["ann 1", "bob 1", "ann 2"]
    assert [handle(each, in_line=True) for each in orders] == [False, True, False]


def test_a_line_that_is_forgotten_is_overtaken_again():
    handle = partial(BREAK["kafka"].handle, failures=Counter({"ann 1": 1}))
    lines = defaultdict(list)
    assert not handle("ann 1", lines=lines, in_line=True)
    restarted = defaultdict(list)  # The worker kept the line in memory only.
    assert handle("ann 2", lines=restarted, in_line=True)

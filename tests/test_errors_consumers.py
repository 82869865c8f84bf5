"""The claims of chapter 8 about consumers: poison, circuit breakers, shutdown."""

import sqlite3
import time
from itertools import islice
from signal import SIGKILL, SIGTERM
from threading import Event, Thread

import pytest
from error_handling import (
    circuit_breaker_pauses_kafka,
    circuit_breaker_pauses_rabbitmq,
    graceful_shutdown_kafka,
    graceful_shutdown_rabbitmq,
    poison_blocks_the_lane_kafka,
    poison_blocks_the_lane_rabbitmq,
    poison_is_isolated_kafka,
    poison_is_isolated_rabbitmq,
)
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from waiting import until

BREAKERS = pytest.mark.parametrize(
    "program", [circuit_breaker_pauses_kafka, circuit_breaker_pauses_rabbitmq]
)


@pytest.fixture
def printed(capsys):
    """A function that runs a program and returns the lines that it printed."""

    def printed(program, *arguments):
        program.main(*arguments)
        return capsys.readouterr().out.splitlines()

    return printed


def send_orders(bootstrap, topic, last):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for number in range(1, last + 1):
            producer.send(topic, str(number).encode()).get(timeout=10)


def declare(channel, queue, last, **arguments):
    """Declare a quorum queue and publish the orders 1 to `last` to it."""
    arguments = {f"x-{name.replace('_', '-')}": arguments[name] for name in arguments}
    arguments["x-queue-type"] = "quorum"
    channel.queue_declare(queue, durable=True, arguments=arguments)
    for number in range(1, last + 1):
        channel.basic_publish("", queue, str(number).encode())


def counted(channel, queue, count):
    """Return how many failures are counted for each order of a queue."""
    channel.basic_qos(prefetch_count=0)
    deliveries = channel.consume(queue, inactivity_timeout=10)
    return {
        int(body): (properties.headers or {}).get("x-delivery-count", 0)
        for _, properties, body in islice(deliveries, count)
    }


# Poison


BLOCKED = ["worker 1 began [1, 2, 3], exit code -9"] + [
    f"worker {number} began [3], exit code -9" for number in (2, 3, 4)
]


def test_kafka_poison_comes_first_again_and_the_offset_stands_still(kafka, printed):
    assert printed(poison_blocks_the_lane_kafka, kafka) == [
        *BLOCKED,
        "the next one would begin with order 3",
        "committed offset: 2",
    ]


def test_rabbitmq_poison_comes_first_again_in_a_classic_queue_without_a_count(
    rabbitmq, printed
):
    assert printed(poison_blocks_the_lane_rabbitmq, rabbitmq) == [
        *BLOCKED,
        "the next one would begin with order 3",
        "redelivered: True, headers: None",
    ]


def test_rabbitmq_quorum_queue_without_a_limit_counts_and_stands_still(
    rabbitmq, channel, queue, capsys
):
    program = poison_blocks_the_lane_rabbitmq
    unlimited = {"x-queue-type": "quorum", "x-delivery-limit": -1}
    program.send_orders(rabbitmq, queue, unlimited)
    for number in (1, 2):
        program.run(number, rabbitmq, queue)
    assert capsys.readouterr().out.splitlines() == BLOCKED[:2]
    assert counted(channel, queue, 4) == {3: 2, 4: 0, 5: 0, 6: 0}


ISOLATED = [
    *BLOCKED[:3],
    "worker 4 began [4, 5, 6], exit code 0",
]


def test_kafka_workers_that_count_their_attempts_set_the_poison_aside(kafka, printed):
    assert printed(poison_is_isolated_kafka, kafka) == [
        *ISOLATED,
        "dead letter: order 3, {'dead.offset': b'2', 'dead.attempts': b'3'}",
    ]


def test_rabbitmq_counts_the_deaths_and_sets_the_poison_aside(rabbitmq, printed):
    assert printed(poison_is_isolated_rabbitmq, rabbitmq) == [
        *ISOLATED,
        "dead letter: order 3",
        "  x-first-death-reason: delivery_limit",
        "  x-delivery-count: 3",
    ]


@pytest.fixture
def attempts(tmp_path):
    """The store in which workers count their attempts, as a connection to a file."""
    with sqlite3.connect(tmp_path / "db") as db:
        db.execute("CREATE TABLE attempts (part, position)")
    yield db
    db.close()


def test_attempt_outlives_the_worker_that_it_killed(kafka, topic, tmp_path, attempts):
    send_orders(kafka, topic, 6)
    poison_is_isolated_kafka.run(1, kafka, topic, tmp_path)
    found = attempts.execute("SELECT position FROM attempts").fetchall()
    assert found == [(0,), (1,), (2,)]


def test_worker_killed_while_it_buries_leaves_a_second_letter_and_no_second_try(
    kafka, topic, tmp_path, attempts
):
    program = poison_is_isolated_kafka
    send_orders(kafka, topic, 6)
    with attempts:  # Three attempts failed, and a fourth worker buried the order.
        attempts.executemany("INSERT INTO attempts VALUES (0, ?)", [[2]] * 4)
    with (
        program.start_worker(kafka, topic) as worker,
        KafkaProducer(bootstrap_servers=kafka, acks="all") as producer,
    ):
        record = list(islice(worker, 3))[-1]  # It died before it committed.
        program.bury(producer, record, 3)
    program.run(5, kafka, topic, tmp_path)
    with program.start_worker(kafka, f"{topic}-dead") as reader:
        assert [letter.value for letter in islice(reader, 2)] == [b"3", b"3"]
    assert attempts.execute("SELECT max(position) FROM attempts").fetchone() == (5,)


def test_rabbitmq_counts_one_failure_for_a_death(rabbitmq, channel, queue):
    declare(channel, queue, 6)
    poison_blocks_the_lane_rabbitmq.run(1, rabbitmq, queue)
    assert counted(channel, queue, 4) == {3: 1, 4: 0, 5: 0, 6: 0}


# Giving back a window


def hold(channel, queue):
    """Let a consumer hold three of four orders; return its tag."""
    declare(channel, queue, 4)
    window = []
    channel.basic_qos(prefetch_count=3)
    tag = channel.basic_consume(queue, lambda *order: window.append(order))
    assert until(lambda: channel.connection.sleep(0.1) or len(window) == 3, 10)
    return tag


@pytest.mark.parametrize("closes", ["channel", "connection"])
def test_rabbitmq_counts_an_orderly_close_as_a_failure_of_the_whole_window(
    new_channel, queue, closes
):
    worker = new_channel()
    worker.basic_cancel(hold(worker, queue))
    (worker if closes == "channel" else worker.connection).close()
    assert counted(new_channel(), queue, 4) == {1: 1, 2: 1, 3: 1, 4: 0}


def test_rabbitmq_does_not_count_a_window_that_is_given_back_with_nack(
    new_channel, queue
):
    worker = new_channel()
    worker.basic_cancel(hold(worker, queue))
    worker.basic_nack(0, multiple=True, requeue=True)
    worker.connection.close()
    found = counted(new_channel(), queue, 4)
    assert list(found.items()) == [(1, 0), (2, 0), (3, 0), (4, 0)]


def test_pika_cancel_rejects_what_was_not_handed_out_and_so_counts_it(
    new_channel, queue
):
    worker = new_channel()
    declare(worker, queue, 4)
    worker.basic_qos(prefetch_count=3)
    method, _, _ = next(worker.consume(queue, inactivity_timeout=10))
    assert until(lambda: worker.connection.sleep(0.1) or pending(worker) == 2, 10)
    worker.cancel()
    worker.basic_nack(method.delivery_tag, requeue=True)
    found = counted(new_channel(), queue, 4)
    # It rejects before it cancels, so they may come and be rejected once more.
    assert found[2] >= 1 <= found[3]
    assert (found[1], found[4]) == (0, 0)


def pending(channel):
    return channel.get_waiting_message_count()


# The circuit breaker


@pytest.mark.parametrize("broker", ["kafka", "rabbitmq"])
def test_breaker_leaves_the_orders_in_the_queue_until_the_bank_is_back(
    request, printed, broker
):
    programs = {
        "kafka": circuit_breaker_pauses_kafka,
        "rabbitmq": circuit_breaker_pauses_rabbitmq,
    }
    assert printed(programs[broker], request.getfixturevalue(broker)) == [
        "without a breaker: calls: 30, dead letters: 10",
        "open after call 3, orders that wait: 10",
        "open after call 4, orders that wait: 10",
        "with a breaker: calls: 14, more dead letters: 0",
        f"charged: {list(range(1, 11))}",
    ]


@BREAKERS
def test_half_open_breaker_lets_exactly_one_call_pass(program):
    breaker = program.Breaker(limit=1, wait=0)
    breaker.note(False)
    assert [breaker.lets_pass() for _ in range(5)] == [True, *[False] * 4]
    assert breaker.state == "half-open"


@BREAKERS
def test_open_breaker_lets_nothing_pass_before_its_wait_is_over(program):
    breaker = program.Breaker(limit=1, wait=600)
    breaker.note(False)
    assert not any(breaker.lets_pass() for _ in range(5))


@BREAKERS
@pytest.mark.parametrize(
    ("calls", "state"),
    [
        ([False, False], "closed"),
        ([False, False, False], "open"),
        ([False, False, True, False, False], "closed"),  # Not three in a row.
    ],
)
def test_breaker_opens_after_failures_in_a_row(program, calls, state):
    breaker = program.Breaker(limit=3)
    for success in calls:
        assert breaker.lets_pass()
        breaker.note(success)
    assert breaker.state == state


@BREAKERS
@pytest.mark.parametrize(("success", "state"), [(True, "closed"), (False, "open")])
def test_one_probe_decides(program, success, state):
    breaker = program.Breaker(limit=3, wait=0)
    for _ in range(3):
        breaker.note(False)
    assert breaker.lets_pass()
    breaker.note(success)
    assert breaker.state == state


@pytest.fixture
def bank():
    """A bank that answers 503 to each call."""
    program = circuit_breaker_pauses_rabbitmq
    with program.ThreadingHTTPServer(("127.0.0.1", 0), program.Bank) as server:
        server.down, server.calls = True, []
        Thread(target=server.serve_forever).start()
        yield server
        server.shutdown()


def test_kafka_worker_makes_no_call_while_its_breaker_is_open(kafka, topic, bank):
    program = circuit_breaker_pauses_kafka
    send_orders(kafka, topic, 2)
    with program.start_worker(kafka, topic) as worker:
        calls = program.charge_all(worker, bank, program.Breaker(limit=3, wait=1))
        assert seconds_after(calls, 3) >= 1


def test_rabbitmq_worker_makes_no_call_while_its_breaker_is_open(channel, queue, bank):
    program = circuit_breaker_pauses_rabbitmq
    declare(channel, queue, 2)
    breaker = program.Breaker(limit=3, wait=1)
    calls = program.charge_all(channel, queue, bank, breaker)
    assert seconds_after(calls, 3) >= 1


def seconds_after(calls, count):
    """Return how long the next call takes after the first `count`."""
    for _ in islice(calls, count):
        began = time.monotonic()
    next(calls)
    return time.monotonic() - began


def test_rabbitmq_probes_are_not_counted_against_the_delivery_limit(
    channel, new_channel, queue, bank
):
    program = circuit_breaker_pauses_rabbitmq
    program.declare(channel, queue, f"{queue}-dead")  # With the default limit, 20.
    channel.basic_publish("", queue, b"1")
    channel.basic_qos(prefetch_count=1)
    breaker = program.Breaker(limit=1, wait=0)
    for _ in islice(program.charge_all(channel, queue, bank, breaker), 25):
        pass
    assert len(bank.calls) == 25
    assert counted(new_channel(), queue, 1) == {1: 0}


@pytest.fixture
def patient(kafka, topic):
    """A consumer with a partition, in a group that expects a poll every two seconds."""
    send_orders(kafka, topic, 2)
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=kafka,
        group_id=topic,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_poll_interval_ms=2000,
        max_poll_records=1,
    )
    with consumer:
        consumer.partitions_for_topic(topic)
        assert until(lambda: consumer.poll(100))
        yield consumer


def members(kafka, group):
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        found = admin.describe_groups([group])[group]["members"]
    return [member["member_id"] for member in found]


def test_kafka_paused_consumer_that_polls_stays_in_its_group(kafka, topic, patient):
    before = members(kafka, topic)
    patient.pause(*patient.assignment())
    end = time.monotonic() + 5
    while time.monotonic() < end:
        assert patient.poll(200) == {}
    assert len(before) == 1
    assert members(kafka, topic) == before


def test_kafka_paused_consumer_that_does_not_poll_has_to_leave(kafka, topic, patient):
    patient.pause(*patient.assignment())
    assert until(lambda: members(kafka, topic) == [], 10)


def test_kafka_partition_that_a_rebalance_brings_is_not_paused(kafka, topic):
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        admin.create_topics({topic: {"num_partitions": 2}}, wait_for_metadata=True)
    options = {"bootstrap_servers": kafka, "group_id": topic}
    leave = Event()

    def stay():
        with KafkaConsumer(topic, **options) as other:
            other.partitions_for_topic(topic)
            while not leave.is_set():
                other.poll(100)

    with KafkaConsumer(topic, **options) as one:
        one.partitions_for_topic(topic)
        assert until(lambda: one.poll(100) or len(one.assignment()) == 2)
        one.pause(*one.assignment())
        thread = Thread(target=stay)
        thread.start()
        assert until(lambda: one.poll(100) or len(one.assignment()) == 1)
        kept = one.assignment()
        leave.set()
        assert until(lambda: one.poll(100) or len(one.assignment()) == 2)
        thread.join()
        assert one.paused() == kept


# Going down


@pytest.mark.parametrize(
    ("program", "broker", "gone"),
    [
        (graceful_shutdown_kafka, "kafka", False),
        (graceful_shutdown_rabbitmq, "rabbitmq", True),
    ],
)
def test_worker_that_is_told_to_stop_loses_and_repeats_nothing(
    request, printed, program, broker, gone
):
    assert printed(program, request.getfixturevalue(broker)) == [
        "SIGTERM in the middle of order 3: exit code 0",
        "  done by the two workers: [1, 2, 3, 4, 5, 6]",
        "  worker 1 is gone for the broker within two seconds: True",
        "SIGKILL in the middle of order 3: exit code -9",
        "  done by the two workers: [1, 2, 3, 3, 4, 5, 6]",
        f"  worker 1 is gone for the broker within two seconds: {gone}",
    ]


@pytest.fixture
def ledger(tmp_path):
    """The path of an empty ledger."""
    with sqlite3.connect(tmp_path / "ledger") as db:
        db.execute("CREATE TABLE ledger (number)")
    db.close()
    return str(tmp_path / "ledger")


def wait_for_an_order(kafka, topic):
    """Return how many seconds a new member of the group waits for its first order."""
    began = time.monotonic()
    with KafkaConsumer(
        topic, bootstrap_servers=kafka, group_id=topic, auto_offset_reset="earliest"
    ) as consumer:
        consumer.partitions_for_topic(topic)
        assert until(lambda: consumer.poll(100), 30)
    return time.monotonic() - began


def test_kafka_waits_for_a_killed_member_and_not_for_one_that_closed(
    kafka, topic, ledger
):
    waited = {}
    for stop in (SIGTERM, SIGKILL):
        name = f"{topic}-{stop.name}"
        send_orders(kafka, name, 6)
        graceful_shutdown_kafka.run((kafka, name, ledger), 3, stop)
        waited[stop] = wait_for_an_order(kafka, name)
    # The session of six seconds begins a little before the member is killed.
    assert waited[SIGTERM] < waited[SIGKILL] > 2


@pytest.mark.parametrize(
    ("stop", "failures"),
    [(SIGTERM, {4: 0, 5: 0, 6: 0}), (SIGKILL, {3: 1, 4: 1, 5: 1, 6: 0})],
)
def test_rabbitmq_counts_a_failure_for_the_window_of_a_killed_worker_only(
    rabbitmq, channel, queue, ledger, stop, failures
):
    declare(channel, queue, 6)
    graceful_shutdown_rabbitmq.run((rabbitmq, queue, ledger), 3, stop)
    found = counted(channel, queue, len(failures))
    assert list(found.items()) == list(failures.items())

"""The claims of chapter 7 on the three guarantees and on deduplication."""

import json
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from signal import SIGKILL
from threading import Barrier

import pytest
from delivery_guarantees import (
    at_least_once_kafka,
    at_least_once_rabbitmq,
    at_most_once_kafka,
    at_most_once_rabbitmq,
    dedup_window_too_short_kafka,
    dedup_window_too_short_rabbitmq,
    exactly_once_effect_kafka,
    exactly_once_effect_rabbitmq,
    idempotent_upsert_kafka,
    idempotent_upsert_rabbitmq,
    increment_twice_kafka,
    increment_twice_rabbitmq,
)
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from reading import stored

EACH = list(range(1, 11))
WITHOUT_5 = [number for number in EACH if number != 5]
SIDES = pytest.mark.parametrize("side", ["sender", "receiver"])


def killed_between(program, address, name, side):
    """Let a program's side be killed between its steps; return the ledger, sorted."""
    return sorted(program.trade(address, name, getattr(program, side), "between"))


# The three guarantees


@SIDES
def test_kafka_at_most_once_loses_the_order_of_the_kill(kafka, topic, side):
    assert killed_between(at_most_once_kafka, kafka, topic, side) == WITHOUT_5


@SIDES
def test_rabbitmq_at_most_once_loses_the_order_of_the_kill(rabbitmq, queue, side):
    assert killed_between(at_most_once_rabbitmq, rabbitmq, queue, side) == WITHOUT_5


@SIDES
def test_kafka_at_least_once_doubles_the_order_of_the_kill(kafka, topic, side):
    done = killed_between(at_least_once_kafka, kafka, topic, side)
    assert done == sorted([*EACH, 5])


@SIDES
def test_rabbitmq_at_least_once_doubles_the_order_of_the_kill(rabbitmq, queue, side):
    done = killed_between(at_least_once_rabbitmq, rabbitmq, queue, side)
    assert done == sorted([*EACH, 5])


@SIDES
def test_kafka_exactly_once_effect_counts_each_order_once(kafka, topic, side):
    assert killed_between(exactly_once_effect_kafka, kafka, topic, side) == EACH


@SIDES
def test_rabbitmq_exactly_once_effect_counts_each_order_once(rabbitmq, queue, side):
    assert killed_between(exactly_once_effect_rabbitmq, rabbitmq, queue, side) == EACH


def test_kafka_delivers_twice_what_takes_effect_once(kafka, topic):
    killed_between(exactly_once_effect_kafka, kafka, topic, "sender")
    assert sorted(map(int, stored(kafka, topic))) == sorted([*EACH, 5])


def test_a_producer_that_must_not_retry_is_not_idempotent(kafka):
    with KafkaProducer(bootstrap_servers=kafka, acks="all", retries=0) as producer:
        assert not producer.config["enable_idempotence"]
    with KafkaProducer(bootstrap_servers=kafka, acks="all") as producer:
        assert producer.config["enable_idempotence"]


# The id and the effect


SEEN = "INSERT OR IGNORE INTO seen VALUES (5)"
EFFECT = "INSERT INTO ledger VALUES (5)"


@pytest.fixture
def shop(tmp_path):
    """A database with a ledger, ids that are unique, and ids that are not."""
    with sqlite3.connect(tmp_path / "shop") as db:
        db.execute("CREATE TABLE ledger (number)")
        db.execute("CREATE TABLE seen (id UNIQUE)")
        db.execute("CREATE TABLE noted (id)")
    return tmp_path / "shop"


def ledger(shop):
    with sqlite3.connect(shop) as db:
        return [number for (number,) in db.execute("SELECT number FROM ledger")]


HANDLE = """
import signal, sqlite3, sys
shop, together, dies, *steps = sys.argv[1:]
db = sqlite3.connect(shop, isolation_level=None)
known = db.execute("SELECT * FROM seen").fetchone()
if together:
    db.execute("BEGIN")
for step in steps:
    if "seen" in step or not known:  # A known id has no second effect.
        db.execute(step)
    if dies:
        signal.raise_signal(signal.SIGKILL)
if together:
    db.execute("COMMIT")
"""


def handle_twice(shop, steps, together):
    """Handle a message, be killed after the first step, and handle it again."""
    for dies in ("dies", ""):
        arguments = [shop, "together" if together else "", dies, *steps]
        run = subprocess.run([sys.executable, "-c", HANDLE, *arguments], timeout=60)
        assert run.returncode == (-SIGKILL if dies else 0)
    return ledger(shop)


def test_an_id_that_is_stored_before_its_effect_loses_it(shop):
    assert handle_twice(shop, (SEEN, EFFECT), together=False) == []


def test_an_id_that_is_stored_after_its_effect_doubles_it(shop):
    assert handle_twice(shop, (EFFECT, SEEN), together=False) == [5, 5]


@pytest.mark.parametrize("steps", [(SEEN, EFFECT), (EFFECT, SEEN)])
def test_an_id_in_the_transaction_of_its_effect_keeps_it_once(shop, steps):
    assert handle_twice(shop, steps, together=True) == [5]


def race(shop, receive):
    """Let two receivers, each with its own connection, handle one id at once."""
    both = Barrier(2, timeout=10)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(receive, [shop] * 2, [both] * 2))
    return ledger(shop)


def look_then_act(shop, both):
    """Look whether the id is known, and if not, note it with its effect."""
    with sqlite3.connect(shop, timeout=10) as db:
        known = db.execute("SELECT * FROM noted WHERE id = 5").fetchone()
        both.wait()  # Both have looked; neither has acted.
        if not known:
            db.execute("INSERT INTO noted VALUES (5)")
            db.execute(EFFECT)


def insert_unique(shop, both):
    """Insert the id into a unique column, and act if that was possible."""
    with sqlite3.connect(shop, timeout=10) as db:
        both.wait()
        if db.execute(SEEN).rowcount:
            db.execute(EFFECT)


def test_two_receivers_that_look_and_then_act_both_act(shop):
    assert race(shop, look_then_act) == [5, 5]


def test_two_receivers_with_a_unique_id_act_once(shop):
    assert race(shop, insert_unique) == [5]


def test_a_second_insert_of_an_id_waits_for_the_first_transaction(shop):
    with sqlite3.connect(shop) as first, sqlite3.connect(shop, timeout=0) as second:
        first.execute(SEEN)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            second.execute(SEEN)
        first.commit()
        assert second.execute(SEEN).rowcount == 0


# Changes that can be repeated, and changes that cannot


def test_kafka_decrement_delivered_twice_is_wrong(kafka, topic, capsys):
    increment_twice_kafka.main(kafka, topic)
    assert capsys.readouterr().out.splitlines()[-1].endswith(": 6")


def test_rabbitmq_decrement_delivered_twice_is_wrong(rabbitmq, queue, capsys):
    increment_twice_rabbitmq.main(rabbitmq, queue)
    assert capsys.readouterr().out.splitlines()[-1].endswith(": 6")


@pytest.fixture(params=["kafka", "rabbitmq"])
def stock_after(request, tmp_path):
    """What delivers amounts, the first twice; return the amount and its version."""
    kafka = request.param == "kafka"
    program = idempotent_upsert_kafka if kafka else idempotent_upsert_rabbitmq
    address = request.getfixturevalue(request.param)
    name = request.getfixturevalue("topic" if kafka else "queue")

    def deliver(statement, amounts):
        statement = getattr(program, statement)
        args = (address, name, tmp_path / "shop", statement, amounts)
        return program.deliver_again(*args)

    return deliver


def test_an_upsert_that_is_delivered_twice_is_right(stock_after):
    assert stock_after("SET", {12: 7}) == (7, 12)


def test_an_upsert_that_comes_again_late_overwrites_the_new_with_the_old(stock_after):
    assert stock_after("SET", {12: 7, 13: 5}) == (7, 12)


def test_an_upsert_that_compares_versions_may_come_again_late(stock_after):
    assert stock_after("SET_IF_NEWER", {12: 7, 13: 5}) == (5, 13)


def test_kafka_replay_of_one_partition_goes_back_and_ends_right(kafka, topic):
    with KafkaProducer(bootstrap_servers=kafka) as producer:
        for version, amount in ((12, 7), (13, 5)):
            stock = {"product": "lamp", "amount": amount, "version": version}
            producer.send(topic, json.dumps(stock).encode(), key=b"lamp").get(10)
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE stock (product UNIQUE, amount, version)")
    shown = []
    partition = TopicPartition(topic, 0)
    with KafkaConsumer(bootstrap_servers=kafka, consumer_timeout_ms=10000) as consumer:
        consumer.assign([partition])
        for _ in range(2):
            consumer.seek_to_beginning(partition)
            for _ in range(2):
                stock = json.loads(next(consumer).value)
                db.execute(idempotent_upsert_kafka.SET, stock)
                shown += db.execute("SELECT amount FROM stock").fetchone()
    assert shown == [7, 5, 7, 5]


# The memory of a receiver


@pytest.fixture(params=["kafka", "rabbitmq"])
def effects_of_a_late_copy(request):
    """What sends order 1 again after order 10, to one of four memories."""
    kafka = request.param == "kafka"
    dedup = dedup_window_too_short_kafka if kafka else dedup_window_too_short_rabbitmq
    address = request.getfixturevalue(request.param)
    name = request.getfixturevalue("topic" if kafka else "queue")

    def deliver(case):
        memory, identify, window = dedup.CASES[case]
        dedup.send_orders(address, name, [*EACH, 1])
        return memory, dedup.receive(address, name, 11, identify, window)

    return deliver


def test_a_memory_shorter_than_the_delay_takes_a_copy_for_new(effects_of_a_late_copy):
    expected = ("the last 3 order numbers", [*EACH, 1])
    assert effects_of_a_late_copy(0) == expected


def test_a_memory_as_long_as_the_delay_knows_the_copy(effects_of_a_late_copy):
    assert effects_of_a_late_copy(1) == ("the last 10 order numbers", EACH)


def test_an_id_for_each_attempt_does_not_know_a_retry(effects_of_a_late_copy):
    expected = ("100 ids, a new one for each attempt", [*EACH, 1])
    assert effects_of_a_late_copy(2) == expected


def test_an_id_given_by_the_broker_does_not_know_a_retry(effects_of_a_late_copy):
    expected = ("100 numbers given by the broker", [*EACH, 1])
    assert effects_of_a_late_copy(3) == expected


@pytest.mark.parametrize(("window", "again"), [(9, EACH), (10, [])])
def test_kafka_replay_of_ten_is_caught_by_a_window_of_ten(kafka, topic, window, again):
    program = dedup_window_too_short_kafka
    program.send_orders(kafka, topic, EACH)
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE seen (n INTEGER PRIMARY KEY AUTOINCREMENT, id UNIQUE)")
    effects = []
    for _ in range(2):  # The second time is a group that was set to the beginning.
        with KafkaConsumer(
            topic,
            bootstrap_servers=kafka,
            auto_offset_reset="earliest",
            consumer_timeout_ms=10000,
        ) as consumer:
            for _ in EACH:
                number = int(next(consumer).value)
                if program.is_new(db, number, window):
                    effects.append(number)
    assert effects == [*EACH, *again]


def take(channel, queue, count, rejects=None):
    """Take `count` messages; acknowledge each, or let one become a dead letter."""
    bodies = []
    for method, _, body in islice(channel.consume(queue, inactivity_timeout=10), count):
        bodies.append(int(body))
        if bodies[-1] == rejects:
            channel.basic_reject(method.delivery_tag, requeue=False)
        else:
            channel.basic_ack(method.delivery_tag)
    channel.cancel()
    return bodies


def replay_a_dead_letter(channel, queue):
    """Let order 1 fail after its effect, and send it again after order 10."""
    dead = f"{queue}-dead"
    channel.queue_declare(dead, durable=True)
    back = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
    channel.queue_declare(queue, durable=True, arguments=back)
    for number in EACH:
        channel.basic_publish("", queue, str(number).encode())
    came = take(channel, queue, 10, rejects=1)
    (parked,) = take(channel, dead, 1)
    channel.basic_publish("", queue, str(parked).encode())
    return came + take(channel, queue, 1)


@pytest.mark.parametrize(("window", "again"), [(9, [1]), (10, [])])
def test_rabbitmq_replay_of_a_dead_letter_needs_a_window_as_long(
    channel, queue, window, again
):
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE seen (n INTEGER PRIMARY KEY AUTOINCREMENT, id UNIQUE)")
    is_new = dedup_window_too_short_rabbitmq.is_new
    came = replay_a_dead_letter(channel, queue)
    assert [number for number in came if is_new(db, number, window)] == [*EACH, *again]


def test_kafka_offset_is_the_same_when_a_record_is_read_again(kafka, topic):
    dedup_window_too_short_kafka.send_orders(kafka, topic, [1])
    offsets = set()
    for _ in range(2):
        with KafkaConsumer(
            topic,
            bootstrap_servers=kafka,
            auto_offset_reset="earliest",
            consumer_timeout_ms=10000,
        ) as consumer:
            offsets.add(next(consumer).offset)
    assert len(offsets) == 1


def test_rabbitmq_delivery_tag_says_nothing_about_the_message(channel, queue):
    dedup = dedup_window_too_short_rabbitmq
    channel.queue_declare(queue, durable=True)
    channel.basic_publish("", queue, b"1")
    first, _, _ = channel.basic_get(queue)
    channel.basic_nack(first.delivery_tag, requeue=True)
    again, _, body = channel.basic_get(queue)
    assert body == b"1"
    assert again.redelivered
    identify = dedup.CASES[3][1]
    assert identify(first, None, body) != identify(again, None, body)

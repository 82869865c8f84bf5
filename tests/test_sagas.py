"""Sagas: no kill leaves an order half done; what they lack is isolation."""

import json
import sqlite3
from functools import partial
from importlib import import_module
from itertools import count
from multiprocessing import get_context
from time import monotonic

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

BROKERS = ("kafka", "rabbitmq")
DONE = "reserve, charge, ship, take"
UNDONE = "reserve, charge, refund, release"


def load(name, broker):
    return import_module(f"error_handling.{name}_{broker}")


@pytest.fixture(params=BROKERS)
def broker(request):
    return request.param


@pytest.fixture
def place(request, broker, topic):
    """The address and the name with which a program's functions are called."""
    address = request.getfixturevalue(broker)
    if broker == "kafka":
        admin = AdminClient({"bootstrap.servers": address})
        admin.create_topics([NewTopic(topic, 4, 1)])[topic].result(30)
    return address, topic


@pytest.mark.parametrize(
    ("saga", "flaw", "points"),
    [("orchestrated", "an empty card", 20), ("choreographed", "nothing wrong", 12)],
)
def test_a_saga_killed_at_any_point_ends_as_if_it_had_not_been(
    broker, place, tmp_path, saga, flaw, points
):
    program = load(f"saga_{saga}", broker)
    *killed, last = program.strike(*place, tmp_path, flaw, count(1))
    whole = {"an empty card": "reserve, release", "nothing wrong": DONE}[flaw]
    assert len(killed) == points
    assert {program.fate(tmp_path, number) for number in [*killed, last]} == {whole}


def serve(program, *arguments):
    """Let the services work in a process of its own; return its exit code."""
    process = get_context("forkserver").Process(target=program.serve, args=arguments)
    process.start()
    process.join(60)
    return process.exitcode


@pytest.mark.parametrize("saga", ["orchestrated", "choreographed"])
def test_a_compensation_that_fails_is_tried_until_it_works(
    broker, place, tmp_path, saga
):
    program = load(f"saga_{saga}", broker)
    assert serve(program, *place, tmp_path) == 0  # It has made the tables.
    bank = sqlite3.connect(tmp_path / "payment.db")
    bank.execute(
        "CREATE TRIGGER closed BEFORE INSERT ON log "
        f"WHEN NEW.{'answer' if saga == 'orchestrated' else 'result'} = 'refund done' "
        "BEGIN SELECT RAISE(ABORT, 'The bank is closed.'); END"
    )
    order = {"number": 1, "with": "an address on the Moon"}
    assert serve(program, *place, tmp_path, order, 1000) == 1
    assert serve(program, *place, tmp_path) == 1
    assert program.fate(tmp_path, 1) == "reserve, charge"
    with bank:
        bank.execute("DROP TRIGGER closed")
    assert serve(program, *place, tmp_path) == 0
    assert program.fate(tmp_path, 1) == UNDONE


def deliveries(broker, program, place):
    """Return what sends a message, and what takes the next one: whose, what, ack."""
    if broker == "rabbitmq":
        channel, arrived, _ = program.connect(*place)

        def take():
            deadline = monotonic() + 30
            while not arrived and monotonic() < deadline:
                channel.connection.process_data_events(time_limit=1)
            role, _, method, _, body = arrived.pop(0)
            return (
                role,
                json.loads(body),
                lambda: channel.basic_ack(method.delivery_tag),
            )

        return lambda *what: program.send(channel, place[1], *what), take
    producer, consumer, _ = program.connect(*place)

    def take():
        record = consumer.poll(30)
        role = program.ROLES[record.partition()]
        return role, json.loads(record.value()), lambda: consumer.commit(record)

    return lambda *what: program.send(producer, place[1], *what), take


def expire(broker, program, place, folder, order, silent):
    """Hold one step back until the deadline; return who did what, in order."""
    bases = {role: sqlite3.connect(folder / f"{role}.db") for role in program.ROLES}
    for base in bases.values():
        base.execute("CREATE TABLE log (number, what, answer)")
    send, take = deliveries(broker, program, place)
    told = []

    def handle(role, message, acknowledge):
        answer = program.handle(role, bases[role], **message)
        told.append(f"{message['what']}: {answer}")
        if answer:
            send(order, answer)
        acknowledge()

    send(order, "placed")
    while (late := take())[1]["what"] != silent:
        handle(*late)
    send(order, "expired")
    while not told[-1].startswith("expired"):
        handle(*take())
    handle(*late)  # What undoes it lies behind it, in the same lane.
    while told[-1] not in ("release done: None", "take done: None"):
        handle(*take())
    return told


@pytest.mark.parametrize(
    ("silent", "undo", "end"),
    [("reserve", "release", "reserve, release"), ("charge", "refund", UNDONE)],
)
def test_a_step_that_is_done_after_the_deadline_is_undone(
    broker, place, tmp_path, silent, undo, end
):
    program = load("saga_orchestrated", broker)
    order = {"number": 1, "with": "nothing wrong"}
    told = expire(broker, program, place, tmp_path, order, silent)
    assert f"expired: {undo}" in told
    assert f"{silent} done: None" in told  # It comes too late to go on.
    assert program.fate(tmp_path, 1) == end


def test_a_charge_refused_after_the_deadline_is_not_refunded(broker, place, tmp_path):
    program = load("saga_orchestrated", broker)
    order = {"number": 1, "with": "an empty card"}
    told = expire(broker, program, place, tmp_path, order, "charge")
    assert "refund: refund needless" in told
    assert program.fate(tmp_path, 1) == "reserve, release"


@pytest.mark.parametrize("silent", ["ship", "take"])
def test_a_shipment_is_not_undone_by_a_deadline(broker, place, tmp_path, silent):
    program = load("saga_orchestrated", broker)
    order = {"number": 1, "with": "nothing wrong"}
    told = expire(broker, program, place, tmp_path, order, silent)
    assert "expired: None" in told
    assert program.fate(tmp_path, 1) == DONE


def serve_silently(broker, step, *arguments):
    """Be the program's process; a deadline comes in place of one step's answer."""
    program = load("saga_orchestrated", broker)
    send = program.send

    def tell(way, name, order, what):
        send(way, name, order, "expired" if what == f"{step} done" else what)

    program.send = tell
    program.serve(*arguments)


@pytest.mark.parametrize(
    ("silent", "points", "end"),
    [("reserve", 14, "reserve, release"), ("charge", 26, UNDONE)],
)
def test_a_saga_past_its_deadline_and_killed_at_any_point_is_undone(
    broker, place, tmp_path, monkeypatch, silent, points, end
):
    program = load("saga_orchestrated", broker)
    monkeypatch.setattr(program, "serve", partial(serve_silently, broker, silent))
    *killed, last = program.strike(*place, tmp_path, "nothing wrong", count(1))
    assert len(killed) == points
    assert {program.fate(tmp_path, number) for number in [*killed, last]} == {end}


@pytest.mark.parametrize("command", ["refund", "release"])
def test_a_compensation_is_done_once_however_often_it_is_asked_for(broker, command):
    program, base = load("saga_orchestrated", broker), sqlite3.connect(":memory:")
    base.execute("CREATE TABLE log (number, what, answer)")
    role, order = program.DOES[command], {"number": 1, "with": "nothing wrong"}
    asked = [program.UNDOES[command], command, command, command]
    answers = [program.handle(role, base, order, each) for each in asked]
    assert answers[1:] == [f"{command} done"] * 3
    rows = base.execute("SELECT count(*) FROM log WHERE what = ?", [command])
    assert rows.fetchone() == (1,)


def tell(name, broker, request, topic, commands):
    """Return what the inventory service of a program answers to commands."""
    program, base = load(name, broker), sqlite3.connect(":memory:")
    base.executescript(program.TABLES)
    address = request.getfixturevalue(broker)
    return list(program.serve(address, topic, base, commands))


UNDO = ["reserve 1", "reserve 2", "release 1"]


def test_without_isolation_an_order_is_refused_for_a_piece_that_comes_back(
    broker, request, topic
):
    answers = tell("saga_without_isolation", broker, request, topic, UNDO)
    assert answers == ["order 1: reserved", "order 2: sold out", "order 1: released"]


@pytest.mark.parametrize(("compensation", "free"), [("adds one", 1), ("writes", 2)])
def test_a_compensation_that_writes_a_value_loses_an_update(
    broker, request, topic, monkeypatch, compensation, free
):
    program, base = load("saga_without_isolation", broker), sqlite3.connect(":memory:")
    base.executescript(program.TABLES)
    base.execute("UPDATE stock SET free = 2")
    found = {}

    def look_and_reserve(base, number):
        found[number] = base.execute("SELECT free FROM stock").fetchone()
        return program.reserve(base, number)

    def write_back(base, number):
        base.execute("UPDATE stock SET free = ?", found[number])
        return [f"order {number}: released"]

    if compensation == "writes":
        work = {"reserve": look_and_reserve, "release": write_back}
        monkeypatch.setattr(program, "WORK", work)
    place = request.getfixturevalue(broker), topic
    answers = list(program.serve(*place, base, UNDO))
    assert answers[1:] == ["order 2: reserved", "order 1: released"]
    assert base.execute("SELECT free FROM stock").fetchone() == (free,)


def test_a_semantic_lock_gives_the_piece_to_the_order_that_waited(
    broker, request, topic
):
    answers = tell("saga_semantic_lock", broker, request, topic, UNDO)
    assert answers[1:] == ["order 2: waits", "order 1: released", "order 2: reserved"]


def test_a_semantic_lock_refuses_only_when_the_first_order_is_sold(
    broker, request, topic
):
    commands = ["reserve 1", "reserve 2", "sell 1"]
    answers = tell("saga_semantic_lock", broker, request, topic, commands)
    assert answers[1:] == ["order 2: waits", "order 1: sold", "order 2: sold out"]

"""The order pipeline: whatever dies, an order ends, and is charged once or not at all.

What dies is killed while two orders are on their way, one of them with an empty card;
a third order comes afterwards, or while the dead one is away.
"""

import signal
from contextlib import suppress

import pika
import psycopg
import pytest
from brokers import kafka as start_kafka
from brokers import rabbitmq as start_rabbitmq
from brokers.postgres import database, folder, make_node
from kafka.errors import KafkaError
from practice import order_pipeline_kafka, order_pipeline_rabbitmq
from saving import save_queue_names

PROGRAMS = {"kafka": order_pipeline_kafka, "rabbitmq": order_pipeline_rabbitmq}
START = {"kafka": start_kafka, "rabbitmq": start_rabbitmq}
KILLED = -signal.SIGKILL
# What the clients raise when the broker or the database is gone.
GONE = KafkaError, pika.exceptions.AMQPError, psycopg.OperationalError
# The way of an order, and the moments at which one of those on it can die.
WAY = (("relay", "shop"), ("pay",), ("relay", "payment"), ("ship",))
MOMENTS = (
    (0, "after publishing"),
    (1, "after the charge"),
    (1, "after the commit"),
    (2, "after publishing"),
    (3, "after the commit"),
)
ENDED = {
    "good": [[40], ["shipped"]],
    "empty": [[], ["cancelled"]],
    "later": [[50], ["shipped"]],
}


@pytest.fixture(params=PROGRAMS)
def broker(request):
    """The name of each broker, one after the other."""
    return request.param


@pytest.fixture
def program(broker):
    """The program of that broker."""
    return PROGRAMS[broker]


@pytest.fixture
def where(request, broker, program, postgres, topic):
    """The broker's address, the database, and a name; two orders have been placed."""
    where = request.getfixturevalue(broker), postgres, topic
    begin(program, where)
    return where


@pytest.fixture(scope="module", params=START)
def own_broker(request):
    """The name of a broker, and one of this module's own, since the tests kill it."""
    with START[request.param]() as broker:
        yield request.param, broker


@pytest.fixture(scope="module")
def own_postgres():
    """A database server of this module's own, since the tests kill it."""
    # pytest's folders are closed to others, and as root PostgreSQL is another user.
    with folder() as home:
        node = make_node(home)
        node.start()
        yield node
        node.stop()


def begin(program, where):
    """Create what the pipeline needs, and place two orders."""
    program.prepare(*where)
    program.place_order(where[1], "good", 40, "a good card")
    program.place_order(where[1], "empty", 75, "an empty card")


def go(program, where, steps):
    """Take the given steps of the way."""
    for name, *service in steps:
        getattr(program, name)(*where, *service)


def kill(program, where, step, moment, *rest):
    """Go up to a step, and let a process that takes it be killed at a moment."""
    go(program, where, WAY[:step])
    name, *service = WAY[step]
    function = getattr(program, name)
    assert program.kill(function, *where, *service, moment, *rest) == KILLED


def ended(program, where):
    """Place a third order and go all the way; return charges and ends of each order."""
    program.place_order(where[1], "later", 50, "a good card")
    go(program, where, WAY)
    query = """SELECT key, ARRAY(SELECT charged FROM provider.ledger
        WHERE number = orders.number AND charged > 0), ARRAY(SELECT how
        FROM shipping.ends WHERE number = orders.number) FROM shop.orders"""
    with psycopg.connect(where[1]) as base:
        return {key: rest for key, *rest in base.execute(query)}


# A process dies


def test_a_shop_killed_before_its_answer_has_one_order_when_the_request_is_repeated(
    program, where
):
    request = where[1], "later", 50, "a good card"
    assert program.kill(program.place_order, *request, "after the commit") == KILLED
    assert ended(program, where) == ENDED


@pytest.mark.parametrize("step", [0, 2])
def test_a_relay_killed_before_its_mark_publishes_twice_and_the_order_ends_once(
    program, where, step
):
    kill(program, where, step, "after publishing")
    go(program, where, WAY[step : step + 1])
    told = getattr(program, WAY[step + 1][0])(*where)
    assert "order 1 known" in told
    assert ended(program, where) == ENDED


def test_a_payment_worker_killed_after_the_charge_asks_again_and_charges_once(
    program, where
):
    kill(program, where, 1, "after the charge")
    assert program.pay(*where) == ["order 1 paid", "order 2 refused"]
    with psycopg.connect(where[1]) as base:
        calls = "SELECT calls FROM provider.ledger WHERE number = 1"
        assert base.execute(calls).fetchone() == (2,)
    assert ended(program, where) == ENDED


def test_a_payment_worker_killed_after_its_commit_does_not_ask_again(program, where):
    kill(program, where, 1, "after the commit")
    assert program.pay(*where) == ["order 1 known", "order 2 refused"]
    assert ended(program, where) == ENDED


def test_a_shipping_worker_killed_after_its_commit_ships_once(program, where):
    kill(program, where, 3, "after the commit")
    assert program.ship(*where) == ["order 1 known", "order 2 cancelled"]
    assert ended(program, where) == ENDED


# The broker or the database dies


def go_and_lose(program, where, node, step, moment, monkeypatch):
    """Go up to a step, and kill a node in the middle of it; the process lives on."""
    go(program, where, WAY[:step])

    def crash(here, dies):
        if here == moment and node.running:
            node.kill()

    with monkeypatch.context() as patched, suppress(*GONE):
        patched.setattr(program, "crash", crash)
        go(program, where, WAY[step : step + 1])
    assert not node.running


@pytest.mark.parametrize(("step", "moment"), MOMENTS)
def test_a_broker_killed_in_the_middle_loses_no_order_and_the_shop_takes_more(
    own_broker, postgres, topic, monkeypatch, step, moment
):
    name, broker = own_broker
    program, where = PROGRAMS[name], (broker.address, postgres, topic)
    begin(program, where)
    if name == "rabbitmq":
        save_queue_names(broker.nodes[0])
    go_and_lose(program, where, broker.nodes[0], step, moment, monkeypatch)
    program.place_order(postgres, "later", 50, "a good card")
    broker.start()
    assert ended(program, where) == ENDED


@pytest.mark.parametrize(("step", "moment"), MOMENTS)
def test_a_database_killed_in_the_middle_loses_no_order(
    request, broker, program, own_postgres, topic, monkeypatch, step, moment
):
    with database(own_postgres.address) as postgres:
        where = request.getfixturevalue(broker), postgres, topic
        begin(program, where)
        go_and_lose(program, where, own_postgres, step, moment, monkeypatch)
        own_postgres.start()
        assert ended(program, where) == ENDED


# What protects from what


@pytest.mark.parametrize(("without", "charges"), [("", [40]), ("the key", [40, 40])])
def test_without_the_key_a_worker_killed_after_the_charge_charges_twice(
    program, where, without, charges
):
    kill(program, where, 1, "after the charge", without)
    program.pay(*where, "", without)
    assert ended(program, where)["good"][0] == charges


@pytest.mark.parametrize(("without", "charges"), [("", [40]), ("the inbox", [40, 40])])
def test_without_the_inbox_an_event_charges_twice_once_the_provider_has_forgotten_it(
    program, where, without, charges
):
    kill(program, where, 1, "after the commit", without)
    with psycopg.connect(where[1]) as base:
        base.execute("UPDATE provider.ledger SET key = NULL")
    program.pay(*where, "", without)
    assert ended(program, where)["good"][0] == charges

"""The claims of chapter 7 about two writes, the outbox and the inbox."""

import os
import signal
import sqlite3
from multiprocessing import get_context
from types import SimpleNamespace

import pika
import psycopg
import pytest
from delivery_guarantees import (
    dual_write_invents_kafka,
    dual_write_invents_rabbitmq,
    dual_write_loses_kafka,
    dual_write_loses_rabbitmq,
    inbox_dedup_kafka,
    inbox_dedup_rabbitmq,
    outbox_polling_kafka,
    outbox_polling_rabbitmq,
    outbox_skips_a_late_commit_kafka,
    outbox_skips_a_late_commit_rabbitmq,
)
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ConfigResource
from reading import stored

PROGRAMS = {
    "kafka": SimpleNamespace(
        loses=dual_write_loses_kafka,
        invents=dual_write_invents_kafka,
        outbox=outbox_polling_kafka,
        late=outbox_skips_a_late_commit_kafka,
        inbox=inbox_dedup_kafka,
    ),
    "rabbitmq": SimpleNamespace(
        loses=dual_write_loses_rabbitmq,
        invents=dual_write_invents_rabbitmq,
        outbox=outbox_polling_rabbitmq,
        late=outbox_skips_a_late_commit_rabbitmq,
        inbox=inbox_dedup_rabbitmq,
    ),
}
KILLED = -signal.SIGKILL


@pytest.fixture(params=PROGRAMS)
def broker(request):
    """The name of each broker, one after the other."""
    return request.param


@pytest.fixture
def programs(broker):
    """The programs of that broker."""
    return PROGRAMS[broker]


@pytest.fixture
def way(broker, request, topic):
    """The address of that broker, and a name for a topic or a queue."""
    return request.getfixturevalue(broker), topic


@pytest.fixture
def shop(tmp_path):
    """The shop's database, and its file."""
    file = tmp_path / "shop.db"
    connection = sqlite3.connect(file)
    yield connection, file
    connection.close()


@pytest.fixture
def outbox(shop):
    """The shop's database with an outbox, and its file."""
    connection, _ = shop
    connection.executescript(outbox_polling_kafka.TABLES)
    return shop


@pytest.fixture
def warehouse(tmp_path):
    """The warehouse's database with an inbox, and its file."""
    file = tmp_path / "warehouse.db"
    connection = sqlite3.connect(file)
    connection.executescript(inbox_dedup_kafka.TABLES)
    yield connection, file
    connection.close()


@pytest.fixture
def connect(postgres):
    """A function that returns a connection to a PostgreSQL with an empty outbox."""
    connections = []

    def connect(autocommit=False):
        connections.append(psycopg.connect(postgres, autocommit=autocommit))
        return connections[-1]

    setting_up = connect(autocommit=True)
    setting_up.execute(outbox_skips_a_late_commit_kafka.ORDERS)
    setting_up.execute(outbox_skips_a_late_commit_kafka.OUTBOX)
    yield connect
    for each in connections:
        each.close()


def column(connection, query):
    return [value for (value,) in connection.execute(query).fetchall()]


def killed(function, *arguments):
    """Run a function in a process of its own; tell whether it was killed."""
    process = get_context("spawn").Process(target=function, args=arguments)
    process.start()
    process.join(60)
    return process.exitcode == KILLED


# Two writes


def test_a_service_killed_between_its_commit_and_the_publish_loses_the_event(
    programs, way, shop
):
    connection, file = shop
    connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    assert programs.loses.run_service(*way, file, 1, True) == KILLED
    assert programs.loses.run_service(*way, file, 2) == 0
    assert column(connection, "SELECT id FROM orders") == [1, 2]
    assert programs.loses.receive(*way) == [2]


def test_a_service_killed_between_the_publish_and_its_commit_invents_an_order(
    programs, way, shop
):
    connection, file = shop
    connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, coupon UNIQUE)")
    assert programs.invents.run_service(*way, file, 1, "a", True) == KILLED
    assert column(connection, "SELECT id FROM orders") == []
    assert programs.invents.receive(*way) == [1]


def test_an_order_that_the_database_refuses_was_announced(programs, way, shop):
    connection, file = shop
    connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, coupon UNIQUE)")
    programs.invents.place_order(*way, file, 1, "a")
    with pytest.raises(sqlite3.IntegrityError):
        programs.invents.place_order(*way, file, 2, "a")
    assert column(connection, "SELECT id FROM orders") == [1]
    assert programs.invents.receive(*way) == [1, 2]


def commit_within_a_kafka_transaction(bootstrap, topic, file):
    """Commit the order inside a transaction of Kafka, and die before that commits."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, transactional_id=topic)
    producer.init_transactions()
    producer.begin_transaction()
    producer.send(topic, b"1").get(timeout=10)
    shop = sqlite3.connect(file)
    shop.execute("INSERT INTO orders VALUES (1)")
    shop.commit()
    os.kill(os.getpid(), signal.SIGKILL)


def committed(bootstrap, topic):
    """Return what a reader of committed records gets when no transaction is open."""
    with KafkaProducer(bootstrap_servers=bootstrap, transactional_id=topic) as next_one:
        next_one.init_transactions()  # Aborts what the dead one has left open.
    return [*map(int, stored(bootstrap, topic, isolation_level="read_committed"))]


def test_a_kafka_transaction_around_the_commit_still_loses_the_event(
    kafka, topic, shop
):
    connection, file = shop
    connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    assert killed(commit_within_a_kafka_transaction, kafka, topic, file)
    assert column(connection, "SELECT id FROM orders") == [1]
    assert committed(kafka, topic) == []


def test_a_kafka_transaction_takes_back_the_event_of_an_order_that_is_refused(
    kafka, topic, shop
):
    connection, _ = shop
    connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    connection.execute("INSERT INTO orders VALUES (1)")
    with KafkaProducer(bootstrap_servers=kafka, transactional_id=topic) as producer:
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(topic, b"1").get(timeout=10)
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute("INSERT INTO orders VALUES (1)")
        producer.abort_transaction()
    assert committed(kafka, topic) == []


def test_kafka_4_3_knows_the_setting_for_two_phase_commit_and_has_it_off(kafka):
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        (broker,) = admin.describe_cluster()["brokers"]
        resource = ConfigResource("BROKER", str(broker["broker_id"]))
        found = admin.describe_configs([resource], config_filter="all")["broker"]
    (configs,) = found.values()
    assert configs["transaction.two.phase.commit.enable"]["value"] == "false"


def commit_within_a_rabbitmq_transaction(url, queue, file):
    """Commit the order inside a transaction of RabbitMQ, die before that commits."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.tx_select()
    channel.basic_publish("", queue, b"1")
    shop = sqlite3.connect(file)
    shop.execute("INSERT INTO orders VALUES (1)")
    shop.commit()
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_rabbitmq_transaction_around_the_commit_still_loses_the_event(
    rabbitmq, queue, channel, shop
):
    connection, file = shop
    connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    channel.queue_declare(queue, durable=True)
    assert killed(commit_within_a_rabbitmq_transaction, rabbitmq, queue, file)
    assert column(connection, "SELECT id FROM orders") == [1]
    assert dual_write_loses_rabbitmq.receive(rabbitmq, queue) == []


# The outbox


def test_a_service_killed_before_its_commit_leaves_neither_order_nor_event(
    programs, way, outbox
):
    connection, file = outbox
    kill, place = programs.outbox.kill, programs.outbox.place_order
    assert kill(place, file, 1, "before the commit") == KILLED
    place(file, 2)
    programs.outbox.relay(*way, file)
    assert column(connection, "SELECT id FROM orders") == [2]
    assert [order for _, order in programs.outbox.receive(*way)] == [2]


def test_a_relay_killed_before_it_publishes_loses_and_repeats_nothing(
    programs, way, outbox
):
    _, file = outbox
    kill, relay = programs.outbox.kill, programs.outbox.relay
    programs.outbox.place_order(file, 1)
    assert kill(relay, *way, file, "before it publishes") == KILLED
    relay(*way, file)
    assert programs.outbox.receive(*way) == [(1, 1)]


def test_a_relay_killed_after_it_published_repeats_the_event_with_its_id(
    programs, way, outbox
):
    _, file = outbox
    kill, relay = programs.outbox.kill, programs.outbox.relay
    programs.outbox.place_order(file, 1)
    assert kill(relay, *way, file, "after it published") == KILLED
    relay(*way, file)
    assert programs.outbox.receive(*way) == [(1, 1), (1, 1)]


def test_one_relay_publishes_the_events_in_the_order_of_their_rows(
    programs, way, outbox
):
    _, file = outbox
    for number in (3, 1, 2):
        programs.outbox.place_order(file, number)
    programs.outbox.relay(*way, file)
    assert programs.outbox.receive(*way) == [(1, 3), (2, 1), (3, 2)]


@pytest.mark.parametrize(("autoincrement", "next_id"), [("", 1), ("AUTOINCREMENT", 2)])
def test_sqlite_gives_the_id_of_a_deleted_row_again_unless_it_is_autoincrement(
    autoincrement, next_id
):
    shop = sqlite3.connect(":memory:")
    shop.execute(f"CREATE TABLE outbox (id INTEGER PRIMARY KEY {autoincrement}, body)")
    shop.execute("INSERT INTO outbox (body) VALUES ('order 1')")
    shop.execute("DELETE FROM outbox")
    shop.execute("INSERT INTO outbox (body) VALUES ('order 2')")
    assert column(shop, "SELECT id FROM outbox") == [next_id]


# The outbox in PostgreSQL


def commit_the_second_first(programs, connect, publish):
    """Open two transactions, commit the second and the first, `publish` after each."""
    one, two = connect(), connect()
    programs.late.place_order(one, 1)
    programs.late.place_order(two, 2)
    for late in two, one:
        late.commit()
        publish()


def test_a_relay_that_remembers_the_last_id_skips_a_late_commit(programs, connect, way):
    shop, last = connect(autocommit=True), 0

    def publish():
        nonlocal last
        last = programs.late.relay_by_id(shop, *way, last)

    commit_the_second_first(programs, connect, publish)
    publish()
    assert column(shop, "SELECT order_id FROM outbox ORDER BY id") == [1, 2]
    assert programs.late.receive(*way) == [2]


def test_a_relay_that_marks_what_it_sent_publishes_a_late_commit_late(
    programs, connect, way
):
    shop = connect(autocommit=True)
    commit_the_second_first(
        programs, connect, lambda: programs.late.relay_by_mark(shop, *way)
    )
    assert programs.late.receive(*way) == [2, 1]


def test_a_relay_can_wait_for_transactions_that_are_still_open(connect):
    shop, seen = connect(autocommit=True), []
    shop.execute("ALTER TABLE outbox ADD by xid8 DEFAULT pg_current_xact_id()")
    finished = (
        "SELECT order_id FROM outbox "
        "WHERE by < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY by, id"
    )
    commit_the_second_first(
        PROGRAMS["kafka"], connect, lambda: seen.append(column(shop, finished))
    )
    assert seen == [[], [1, 2]]


def test_a_gap_in_the_ids_need_not_ever_be_filled(connect):
    shop, refused = connect(), connect()
    outbox_skips_a_late_commit_kafka.place_order(refused, 1)
    refused.rollback()
    outbox_skips_a_late_commit_kafka.place_order(shop, 2)
    assert column(shop, "SELECT id FROM outbox") == [2]


@pytest.fixture
def relays(connect):
    """Connections of two relays to a shop that has two events of one order."""
    shop = connect(autocommit=True)
    shop.execute("INSERT INTO outbox (order_id) VALUES (7), (7)")
    return connect(), connect()


NEXT = "SELECT id FROM outbox WHERE NOT sent ORDER BY id LIMIT 1 "


def pass_on(programs, way, relay, rows):
    """Publish the rows that a relay has taken, mark them and commit."""
    programs.late.publish(*way, [(row, row) for row in rows])
    relay.execute("UPDATE outbox SET sent = true WHERE id = ANY(%s)", [rows])
    relay.commit()


def test_two_relays_that_lock_nothing_publish_the_same_row(programs, way, relays):
    for relay, rows in [(each, column(each, NEXT)) for each in relays]:
        pass_on(programs, way, relay, rows)
    assert programs.late.receive(*way) == [1, 1]


def test_with_skip_locked_a_second_relay_overtakes_within_an_order(
    programs, way, relays
):
    one, two = relays
    slow, quick = (column(each, NEXT + "FOR UPDATE SKIP LOCKED") for each in relays)
    pass_on(programs, way, two, quick)
    pass_on(programs, way, one, slow)
    assert programs.late.receive(*way) == [2, 1]


def test_without_skip_locked_a_second_relay_waits(relays):
    one, two = relays
    column(one, NEXT + "FOR UPDATE")
    two.execute("SET lock_timeout = '200ms'")
    with pytest.raises(psycopg.errors.LockNotAvailable):
        column(two, NEXT + "FOR UPDATE")


def test_an_advisory_lock_lets_in_one_relay_until_its_connection_is_gone(relays):
    one, two = relays
    take = "SELECT pg_try_advisory_lock(1)"
    assert column(one, take) == [True]
    assert column(two, take) == [False]
    one.close()
    two.execute("SET lock_timeout = '10s'")
    two.execute("SELECT pg_advisory_lock(1)")


# The inbox


@pytest.mark.parametrize("dies", ["before the commit", "after the commit"])
def test_an_event_whose_consumer_was_killed_has_its_effect_once(
    programs, way, warehouse, dies
):
    connection, file = warehouse
    programs.inbox.publish(*way, ["1"])
    programs.inbox.run_consumer(*way, file, 1, dies)
    told = programs.inbox.run_consumer(*way, file, 1)
    assert told == ["1 new" if dies == "before the commit" else "1 known"]
    assert column(connection, "SELECT event FROM shipments") == ["1"]


def test_an_event_that_was_published_twice_has_its_effect_once(
    programs, way, warehouse
):
    connection, file = warehouse
    programs.inbox.publish(*way, ["1", "1"])
    told = programs.inbox.run_consumer(*way, file, 2)
    assert told == ["1 new", "1 known"]
    assert column(connection, "SELECT event FROM shipments") == ["1"]


def test_an_inbox_keeps_a_row_of_each_event_until_somebody_deletes_it(warehouse):
    connection, _ = warehouse
    for event in ("1", "2", "2"):
        inbox_dedup_kafka.ship_once(connection, event)
    assert column(connection, "SELECT count(*) FROM inbox") == [2]
    connection.execute("DELETE FROM inbox")
    assert inbox_dedup_kafka.ship_once(connection, "1")


def test_a_second_consumer_of_the_same_event_waits_for_the_first_ones_commit(connect):
    one, two = connect(), connect(autocommit=True)
    two.execute("CREATE TABLE inbox (id text PRIMARY KEY)")
    two.execute("SET lock_timeout = '200ms'")
    insert = "INSERT INTO inbox VALUES ('1') ON CONFLICT DO NOTHING"
    assert one.execute(insert).rowcount == 1
    with pytest.raises(psycopg.errors.LockNotAvailable):
        two.execute(insert)
    one.commit()
    assert two.execute(insert).rowcount == 0

"""The outbox in PostgreSQL's log, of chapter 7: Debezium, and a relay of one's own."""

import os
import signal
from itertools import islice
from multiprocessing import get_context
from statistics import median
from time import monotonic
from urllib.request import urlopen

import pika
import psycopg
import pytest
from brokers.kafka_connect import make_node
from brokers.maven import unpack
from delivery_guarantees import outbox_cdc_kafka, outbox_cdc_rabbitmq
from delivery_guarantees.outbox_cdc_kafka import change, connector, kept, tell
from delivery_guarantees.outbox_cdc_rabbitmq import relay, values
from kafka import KafkaConsumer
from waiting import until

PEEK = outbox_cdc_rabbitmq.CHANGES


@pytest.fixture
def database(postgres):
    """A connection to a database with the tables of an order service."""
    with psycopg.connect(postgres, autocommit=True) as database:
        database.execute(outbox_cdc_kafka.TABLES)
        yield database


@pytest.fixture
def consumer(kafka, topic):
    """A consumer of the topic from its beginning."""
    settings = {"auto_offset_reset": "earliest", "consumer_timeout_ms": 20000}
    with KafkaConsumer(topic, bootstrap_servers=kafka, **settings) as consumer:
        yield consumer


@pytest.fixture
def followed(postgres, database, debezium, topic):
    """The URL of a connector that follows the log of the database."""
    url = f"{debezium}/connectors/{topic}"
    tell(database, "PUT", f"{url}/config", connector(postgres, topic))
    yield url
    if topic in urlopen(f"{debezium}/connectors", timeout=5).read().decode():
        tell(database, "DELETE", url)


@pytest.fixture(scope="module")
def worker(kafka, tmp_path_factory):
    """A worker with Debezium of this module's own, since a test kills it."""
    folder = tmp_path_factory.mktemp("worker")
    worker = make_node(kafka, folder, plugins=[unpack("debezium")])
    worker.start()
    yield worker
    worker.stop()


@pytest.fixture
def slot(postgres, queue):
    """The slot of a relay, which an order service's database has."""
    with psycopg.connect(postgres, autocommit=True) as database:
        database.execute(outbox_cdc_rabbitmq.TABLES)
        slot = queue.replace("-", "_")
        database.execute(outbox_cdc_rabbitmq.MAKE, [slot])
    return slot


def states(consumer, count):
    """Return the key and the value of the next `count` records."""
    records = islice(consumer, count)
    return [(record.key.decode(), record.value.decode()) for record in records]


def ready(channel, queue):
    """Return what waits in the queue."""
    found = iter(lambda: channel.basic_get(queue, auto_ack=True), (None, None, None))
    return [body.decode() for _, _, body in found]


def test_debezium_sends_what_was_committed_in_the_order_of_the_commits(
    database, followed, consumer
):
    change(database, "order 1", "placed")
    change(database, "order 2", "placed", rollback=True)
    change(database, "order 3", "placed")
    change(database, "order 1", "paid")
    expected = [("order 1", "placed"), ("order 3", "placed"), ("order 1", "paid")]
    assert states(consumer, 3) == expected


def test_the_order_is_that_of_the_commits_not_of_the_inserts(
    postgres, database, followed, consumer
):
    other = psycopg.connect(postgres, autocommit=True)
    with other, database.transaction():
        change(database, "order 1", "written first")
        change(other, "order 2", "committed first")
    expected = [("order 2", "committed first"), ("order 1", "written first")]
    assert states(consumer, 2) == expected


def test_an_event_is_in_the_topic_within_two_seconds_of_its_commit(
    database, followed, consumer
):
    change(database, "order 0", "placed")
    states(consumer, 1)  # From here on both ends are connected.
    waits = []
    for number in range(1, 6):
        change(database, f"order {number}", "placed")
        committed = monotonic()
        assert states(consumer, 1) == [(f"order {number}", "placed")]
        waits.append(monotonic() - committed)
    assert median(waits) < 2, waits  # Other work on the computer only delays.


def test_a_row_that_its_own_transaction_deleted_is_sent(database, followed, consumer):
    change(database, "order 1", "placed")
    assert database.execute("SELECT count(*) FROM outbox").fetchone() == (0,)
    assert states(consumer, 1) == [("order 1", "placed")]


def test_a_record_has_the_events_id_as_a_header_and_the_aggregates_as_its_key(
    database, followed, consumer
):
    row = "gen_random_uuid(), 'order', 'order 1', 'OrderChanged', 'placed'"
    insert = f"INSERT INTO outbox VALUES ({row}) RETURNING id"
    (event,) = database.execute(insert).fetchone()
    (record,) = islice(consumer, 1)
    assert dict(record.headers)["id"] == str(event).encode()
    assert record.key == b"order 1"


def test_a_row_that_is_deleted_later_sends_nothing_more(database, followed, consumer):
    row = "gen_random_uuid(), 'order', 'order 1', 'OrderChanged', 'placed'"
    database.execute(f"INSERT INTO outbox VALUES ({row})")
    database.execute("DELETE FROM outbox")
    change(database, "order 1", "paid")
    assert states(consumer, 2) == [("order 1", "placed"), ("order 1", "paid")]


def test_the_publication_has_the_outbox_alone(database, followed):
    tables = database.execute("SELECT tablename FROM pg_publication_tables")
    assert tables.fetchall() == [("outbox",)]


def test_the_log_is_kept_and_grows_while_the_connector_is_away(
    database, followed, consumer, postgres, topic
):
    tell(database, "DELETE", followed)
    sizes = []
    for number in range(3):
        change(database, "order 1", f"{number} {'x' * 100_000}")
        database.execute("CHECKPOINT")  # Without a slot it would let go of the log.
        sizes.append(kept(database))
    assert sizes == sorted(sizes)
    assert sizes[-1] - sizes[0] > 5000
    tell(database, "PUT", f"{followed}/config", connector(postgres, topic))
    assert [value[0] for _, value in states(consumer, 3)] == ["0", "1", "2"]


def test_nothing_bounds_the_log_that_is_kept_for_a_slot(database):
    limit = database.execute("SHOW max_slot_wal_keep_size").fetchone()
    assert limit == ("-1",)


def test_a_connector_that_is_deleted_leaves_its_slot(database, followed):
    tell(database, "DELETE", followed)
    slots = database.execute(f"SELECT active {outbox_cdc_kafka.SLOTS}").fetchall()
    assert slots == [(False,)]


def test_the_slot_moves_on_not_with_each_event(database, followed, consumer):
    confirmed = f"SELECT confirmed_flush_lsn {outbox_cdc_kafka.SLOTS}"
    before = database.execute(confirmed).fetchone()
    change(database, "order 1", "placed")
    assert states(consumer, 1) == [("order 1", "placed")]
    assert database.execute(confirmed).fetchone() == before


def test_a_killed_worker_loses_nothing_and_sends_again(
    postgres, database, worker, consumer, topic
):
    url = f"{worker.address}/connectors/{topic}"
    making = connector(postgres, topic)
    tell(database, "PUT", f"{url}/config", making)
    change(database, "order 1", "placed")
    assert states(consumer, 1) == [("order 1", "placed")]
    worker.kill()
    active = f"SELECT count(*) {outbox_cdc_kafka.SLOTS} AND active"
    assert until(lambda: database.execute(active).fetchone() == (0,), 20)
    change(database, "order 1", "paid")
    worker.start()
    tell(database, "PUT", f"{url}/config", making)
    assert states(consumer, 2) == [("order 1", "placed"), ("order 1", "paid")]
    tell(database, "DELETE", url)


def test_the_relay_publishes_what_was_committed_in_order(
    postgres, slot, channel, queue
):
    channel.queue_declare(queue, durable=True)
    with psycopg.connect(postgres, autocommit=True) as database:
        change(database, "order 1", "placed")
        change(database, "order 2", "placed", rollback=True)
        change(database, "order 1", "paid")
        relay(database, slot, channel, queue)
        relay(database, slot, channel, queue)
    assert ready(channel, queue) == ["placed", "paid"]
    channel.queue_delete(queue)


def test_what_the_broker_refuses_stays_in_the_log(postgres, slot, channel, queue):
    full = {"x-max-length": 1, "x-overflow": "reject-publish"}
    channel.queue_declare(queue, durable=True, arguments=full)
    with psycopg.connect(postgres, autocommit=True) as database:
        change(database, "order 1", "placed")
        change(database, "order 1", "paid")
        with pytest.raises(pika.exceptions.NackError):
            relay(database, slot, channel, queue)
        assert ready(channel, queue) == ["placed"]
        relay(database, slot, channel, queue)
    assert ready(channel, queue) == ["paid"]
    channel.queue_delete(queue)


class Touched:
    """Something outside: before each use of it `touch` is called."""

    def __init__(self, outside, touch):
        self.outside, self.touch = outside, touch

    def __getattr__(self, name):
        self.touch()
        return getattr(self.outside, name)


def relay_and_die(postgres, slot, rabbitmq, queue, point):
    """Be the relay, and be killed before one of its touches or before its end."""
    left = iter(range(point))

    def touch():
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    with psycopg.connect(postgres, autocommit=True) as database:
        channel = pika.BlockingConnection(pika.URLParameters(rabbitmq)).channel()
        channel.confirm_delivery()
        relay(Touched(database, touch), slot, Touched(channel, touch), queue)
        touch()


# What a kill before each of the relay's touches of the outside, or its end, publishes.
TOUCHES = {
    "peek": ["placed", "paid"],
    "publish": ["placed", "paid"],
    "move": ["placed", "placed", "paid"],
    "publish the second": ["placed", "paid"],
    "move again": ["placed", "paid", "paid"],
    "end": ["placed", "paid"],
}


@pytest.mark.parametrize("touch", TOUCHES)
def test_a_relay_killed_before_it_moves_the_slot_publishes_again_and_loses_nothing(
    postgres, slot, rabbitmq, channel, queue, touch
):
    channel.queue_declare(queue, durable=True)
    with psycopg.connect(postgres, autocommit=True) as database:
        change(database, "order 1", "placed")
        change(database, "order 1", "paid")
        spawn, point = get_context("spawn"), [*TOUCHES].index(touch)
        arguments = (postgres, slot, rabbitmq, queue, point)
        process = spawn.Process(target=relay_and_die, args=arguments)
        process.start()
        process.join(30)
        assert process.exitcode == -signal.SIGKILL
        relay(database, slot, channel, queue)
    assert ready(channel, queue) == TOUCHES[touch]
    channel.queue_delete(queue)


def test_the_log_of_the_relay_has_no_rolled_back_row(postgres, slot):
    with psycopg.connect(postgres, autocommit=True) as database:
        change(database, "order 1", "placed", rollback=True)
        change(database, "order 2", "placed")
        found = database.execute(PEEK, [slot]).fetchall()
    rows = [values(data)[2] for (data,) in found if data.startswith(b"I")]
    assert rows == ["order 2"]


@pytest.mark.parametrize("program", [outbox_cdc_kafka, outbox_cdc_rabbitmq])
def test_no_slot_is_left_to_keep_the_log(program, request, postgres):
    services = program.main.__code__.co_varnames[: program.main.__code__.co_argcount]
    fixtures = {"bootstrap": "kafka", "url": "rabbitmq"}
    names = [fixtures.get(name, name) for name in services]
    program.main(*map(request.getfixturevalue, names))
    with psycopg.connect(postgres) as database:
        assert database.execute(f"SELECT 1 {program.SLOTS}").fetchall() == []

"""The claims of chapter 6 on event stores, old events and forgotten customers."""

import json
import sqlite3
from contextlib import closing
from importlib.resources import files
from multiprocessing import get_context

import pytest
from cryptography.fernet import Fernet, InvalidToken
from event_driven_patterns import (
    event_store_kafka,
    event_store_rabbitmq,
    forget_a_customer_kafka,
    forget_a_customer_rabbitmq,
    kafka_is_not_an_event_store_kafka,
    kafka_is_not_an_event_store_rabbitmq,
    snapshot_saves_reading_kafka,
    snapshot_saves_reading_rabbitmq,
    store_publishes_events_kafka,
    store_publishes_events_rabbitmq,
    upcast_old_events_kafka,
    upcast_old_events_rabbitmq,
)
from kafka import KafkaProducer
from kafka.errors import ProducerFencedError

PLACED = ("placed", 0), ("lamp added", 30), ("book added", 12)
TOTALS = {"order 7": 44, "order 8": 14}


@pytest.fixture
def store():
    """An event store in memory that holds the three events of order 7."""
    with closing(sqlite3.connect(":memory:")) as store:
        store.execute(event_store_kafka.TABLE)
        event_store_kafka.append(store, "order 7", 0, *PLACED)
        yield store


@pytest.fixture
def stream(channel, queue):
    """The name of a stream that was declared on `channel`."""
    channel.basic_qos(prefetch_count=100)
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "stream"})
    return queue


def versions_in(store):
    rows = store.execute("SELECT version FROM events ORDER BY version")
    return [version for (version,) in rows]


# An append says which version it follows, and only one can follow it.


def test_the_second_of_two_writers_gets_a_conflict(store):
    event_store_kafka.append(store, "order 7", 3, ("shipped", 0))
    with pytest.raises(event_store_kafka.Conflict, match="order 7 has a version 4"):
        event_store_kafka.append(store, "order 7", 3, ("cancelled", 0))


def test_a_refused_append_leaves_none_of_its_events(store):
    event_store_kafka.append(store, "order 7", 6, ("shipped", 0))
    with pytest.raises(event_store_kafka.Conflict):  # The second one is there already.
        event_store_kafka.append(store, "order 7", 5, ("paid", 0), ("returned", 0))
    assert versions_in(store) == [1, 2, 3, 7]


def test_after_a_conflict_the_writer_reads_again_and_can_append(store):
    event_store_kafka.append(store, "order 7", 3, ("shipped", 0))
    version, _ = event_store_kafka.load(store, "order 7")
    event_store_kafka.append(store, "order 7", version, ("returned", 0))
    assert event_store_kafka.load(store, "order 7")[1]["status"] == "returned"


def test_two_streams_do_not_conflict(store):
    event_store_kafka.append(store, "order 8", 0, *PLACED)
    assert event_store_kafka.load(store, "order 8")[0] == 3


def test_unique_alone_accepts_an_append_that_skips_versions(store):
    event_store_kafka.append(store, "order 7", 6, ("shipped", 0))
    assert versions_in(store) == [1, 2, 3, 7]


def race(path, barrier, results):
    """Append after version 3, when both processes have read it."""
    with closing(sqlite3.connect(path, timeout=30)) as store:
        version, _ = event_store_kafka.load(store, "order 7")
        barrier.wait(30)
        try:
            event_store_kafka.append(store, "order 7", version, ("shipped", 0))
            results.put("accepted")
        except event_store_kafka.Conflict:
            results.put("conflict")


def raced(path, table):
    """Let two processes race for version 4; return their results, sorted."""
    with closing(sqlite3.connect(path)) as store:
        store.execute(table)
        event_store_kafka.append(store, "order 7", 0, *PLACED)
    spawn = get_context("spawn")
    barrier, results = spawn.Barrier(2), spawn.SimpleQueue()
    args = (path, barrier, results)
    racers = [spawn.Process(target=race, args=args) for _ in range(2)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(60)
    return sorted(results.get() for _ in racers)


def test_of_two_processes_that_race_unique_lets_one_through(tmp_path):
    results = raced(tmp_path / "store.db", event_store_kafka.TABLE)
    assert results == ["accepted", "conflict"]


def test_without_unique_both_processes_write_version_4(tmp_path):
    table = event_store_kafka.TABLE.replace(", UNIQUE (stream, version)", "")
    assert raced(tmp_path / "store.db", table) == ["accepted", "accepted"]


# State is a fold, so every earlier state can be had.


def test_the_state_as_of_a_version_is_the_fold_up_to_it(store):
    event_store_kafka.append(store, "order 7", 3, ("shipped", 0))
    state = event_store_kafka.load(store, "order 7", until=2)[1]
    assert state == {"status": "lamp added", "total": 30}


def test_apply_does_not_change_the_state_that_came_in():
    state = {"status": "placed", "total": 0}
    event_store_kafka.apply(state, ("lamp added", 30))
    assert state == {"status": "placed", "total": 0}


def test_kafka_projection_ends_in_the_state_of_the_store(kafka, topic, store):
    event_store_kafka.publish(store, kafka, topic)
    state = event_store_kafka.load(store, "order 7")[1]
    assert event_store_kafka.project(kafka, topic, 3) == state


def test_rabbitmq_projection_ends_in_the_state_of_the_store(channel, queue, store):
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    event_store_rabbitmq.publish(store, channel, queue)
    state = event_store_rabbitmq.load(store, "order 7")[1]
    assert event_store_rabbitmq.project(channel, queue, 3) == state


def test_kafka_snapshot_and_later_events_give_the_whole_fold(kafka, topic):
    snapshot_saves_reading_kafka.send_events(kafka, topic, range(300))
    stock, after, _ = snapshot_saves_reading_kafka.fold(kafka, topic)
    snapshot_saves_reading_kafka.send_events(kafka, topic, range(300, 310))
    whole = snapshot_saves_reading_kafka.fold(kafka, topic)
    short = snapshot_saves_reading_kafka.fold(kafka, topic, after, stock)
    assert (short[0], short[2], whole[2]) == (whole[0], 10, 310)


def test_rabbitmq_snapshot_and_later_events_give_the_whole_fold(channel, stream):
    program = snapshot_saves_reading_rabbitmq
    program.send_events(channel, stream, range(300))
    stock, after, _ = program.fold(channel, stream, 300)
    program.send_events(channel, stream, range(300, 310))
    whole = program.fold(channel, stream, 310)
    short = program.fold(channel, stream, 310, after, stock)
    assert (short[0], short[2], whole[2]) == (whole[0], 10, 310)


def test_kafka_fold_until_a_day_is_the_stock_of_that_day(kafka, topic):
    snapshot_saves_reading_kafka.send_events(kafka, topic, range(300))
    assert snapshot_saves_reading_kafka.fold(kafka, topic, until=2)[::2] == (300, 200)


def test_rabbitmq_fold_until_a_day_is_the_stock_of_that_day(channel, stream):
    snapshot_saves_reading_rabbitmq.send_events(channel, stream, range(300))
    found = snapshot_saves_reading_rabbitmq.fold(channel, stream, 300, until=2)
    assert found[::2] == (300, 200)


# The publisher marks after it has sent: what it dies between comes twice.


def run_publisher(program, address, name, path, dies_at=None):
    args = (address, name, path, dies_at)
    publisher = get_context("spawn").Process(target=program.publish, args=args)
    publisher.start()
    publisher.join(60)
    return publisher.exitcode


@pytest.fixture
def store_file(tmp_path):
    """The path of a store with five events, of which none is published."""
    path = str(tmp_path / "store.db")
    with closing(sqlite3.connect(path)) as store:
        store.executescript(store_publishes_events_kafka.TABLES)
    return path


def killed_at_every_position(program, address, name, path):
    """Kill a publisher at each position in turn, then let one end."""
    for position in range(1, 6):
        assert run_publisher(program, address, name, path, position) == -9
    run_publisher(program, address, name, path)


def test_kafka_publisher_killed_at_every_event_sends_each_twice(
    kafka, topic, store_file
):
    killed_at_every_position(store_publishes_events_kafka, kafka, topic, store_file)
    events = store_publishes_events_kafka.receive(kafka, topic, 10)
    assert [event[0] for event in events] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_rabbitmq_publisher_killed_at_every_event_sends_each_twice(
    rabbitmq, channel, queue, store_file
):
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    killed_at_every_position(
        store_publishes_events_rabbitmq, rabbitmq, queue, store_file
    )
    answers = [channel.basic_get(queue, auto_ack=True) for _ in range(11)]
    positions = [json.loads(body)[0] for _, _, body in answers if body]
    assert positions == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


@pytest.mark.parametrize(
    "program", [store_publishes_events_kafka, store_publishes_events_rabbitmq]
)
def test_a_projection_counts_a_doubled_position_once(program):
    with closing(sqlite3.connect(":memory:")) as store:
        store.executescript(program.TABLES)
        events = store.execute(program.NEXT).fetchall()
    doubled = [event for event in events for _ in range(2)]
    assert program.project(doubled) == TOTALS


# A log takes what it is given, and reads from an offset on.


def test_kafka_accepts_two_version_4s_of_one_order(kafka, topic):
    program = kafka_is_not_an_event_store_kafka
    with KafkaProducer(bootstrap_servers=kafka) as ann:
        program.append(ann, topic, "order 7", 4, "shipped")
    with KafkaProducer(bootstrap_servers=kafka) as ben:
        program.append(ben, topic, "order 7", 4, "cancelled")
    events, _ = program.load(kafka, topic, "order 7")
    assert events == [[4, "shipped"], [4, "cancelled"]]


def test_kafka_reads_the_whole_partition_to_load_one_order(kafka, topic):
    program = kafka_is_not_an_event_store_kafka
    with KafkaProducer(bootstrap_servers=kafka) as producer:
        for order in program.ORDERS:
            program.append(producer, topic, order, 1, "placed")
    assert program.load(kafka, topic, "order 7") == ([[1, "placed"]], 50)


def test_kafka_protocol_has_no_field_for_the_offset_that_a_writer_expects():
    schemas = files("kafka.protocol") / "schemas/resources"
    lines = (schemas / "ProduceRequest.json").read_text().lower().splitlines()
    assert not [each for each in lines if '"name"' in each and "offset" in each]


def test_kafka_fencing_refuses_the_writer_and_not_the_version(kafka, topic):
    program = kafka_is_not_an_event_store_kafka
    settings = {"bootstrap_servers": kafka, "transactional_id": topic}
    ann, ben = KafkaProducer(**settings), KafkaProducer(**settings)
    ann.init_transactions()
    ben.init_transactions()  # Ann is fenced from here on; nothing was written.
    for kind in ("shipped", "cancelled"):
        ben.begin_transaction()
        program.append(ben, topic, "order 7", 4, kind)
        ben.commit_transaction()
    ann.begin_transaction()
    with pytest.raises(ProducerFencedError):
        program.append(ann, topic, "order 7", 4, "returned")
    ann.close(timeout=1)
    ben.close()
    events, _ = program.load(kafka, topic, "order 7")
    assert events == [[4, "shipped"], [4, "cancelled"]]


def test_rabbitmq_stream_accepts_two_version_4s_of_one_order(channel, stream):
    program = kafka_is_not_an_event_store_rabbitmq
    for kind in ("shipped", "cancelled"):
        program.append(channel, stream, "order 7", 4, kind)
    events, _ = program.load(channel, stream, "order 7")
    assert events == [[4, "shipped"], [4, "cancelled"]]


def test_rabbitmq_stream_without_a_filter_sends_everything(channel, stream):
    program = kafka_is_not_an_event_store_rabbitmq
    for order in program.ORDERS:
        program.append(channel, stream, order, 1, "placed")
    assert program.load(channel, stream, "order 7") == ([[1, "placed"]], 50)


def test_rabbitmq_stream_filter_lets_foreign_messages_of_a_chunk_through(
    new_channel, channel, stream
):
    program = kafka_is_not_an_event_store_rabbitmq
    unconfirmed = new_channel().connection.channel()
    for order in program.ORDERS * 20:  # So fast that many share a chunk.
        program.append(unconfirmed, stream, order, 1, "placed")
    unconfirmed.queue_declare(stream, passive=True)
    events, read = program.load(
        channel, stream, "order 7", **{"x-stream-filter": "order 7"}
    )
    assert (len(events), read > 20) == (20, True)


# Old events are read as new ones.


@pytest.mark.parametrize(
    "program", [upcast_old_events_kafka, upcast_old_events_rabbitmq]
)
def test_every_old_version_is_read_in_the_newest_form(program):
    one, two, _ = map(program.read, program.EVENTS[:3])
    ann = {"version": 3, "order": 1, "first": "Ann", "last": "Lee", "cents": 3000}
    ben = {"version": 3, "order": 2, "first": "Ben", "last": "Orr", "cents": 1200}
    assert (one, two) == (ann, ben)


def test_an_upcaster_does_not_change_the_event_that_came_in():
    event = json.loads(upcast_old_events_kafka.EVENTS[0])
    upcast_old_events_kafka.split_name(event)
    assert event == json.loads(upcast_old_events_kafka.EVENTS[0])


def test_an_event_from_the_future_is_refused():
    with pytest.raises(ValueError, match="version 4 is unknown"):
        upcast_old_events_kafka.read(upcast_old_events_kafka.EVENTS[3])


def test_a_reader_ignores_fields_that_it_does_not_know():
    event = upcast_old_events_kafka.read(upcast_old_events_kafka.EVENTS[2])
    assert event["gift"] == 1


def test_kafka_keeps_the_old_bytes_when_they_are_read_as_new(kafka, topic):
    program = upcast_old_events_kafka
    program.send(kafka, topic, program.EVENTS[:3])
    read = [program.read(value) for value in program.receive(kafka, topic, 3)]
    values = program.receive(kafka, topic, 3)
    assert (len(read), values) == (3, program.EVENTS[:3])


def test_rabbitmq_keeps_the_old_bytes_when_they_are_read_as_new(channel, stream):
    program = upcast_old_events_rabbitmq
    program.send(channel, stream, program.EVENTS[:3])
    read = [program.read(value) for value in program.receive(channel, stream, 3)]
    values = program.receive(channel, stream, 3)
    assert (len(read), values) == (3, program.EVENTS[:3])


# Without its key an event keeps its amount and loses its name.


@pytest.fixture
def keys():
    """A database of keys and of a read model."""
    with closing(sqlite3.connect(":memory:")) as store:
        store.executescript(forget_a_customer_kafka.TABLES)
        yield store


def place_both(program, store):
    return [
        program.place(store, "c1", "Ann Lee", 30),
        program.place(store, "c2", "Ben Orr", 12),
    ]


def test_kafka_log_of_a_forgotten_customer_has_bytes_and_no_name(kafka, topic, keys):
    program = forget_a_customer_kafka
    values = place_both(program, keys)
    with KafkaProducer(bootstrap_servers=kafka) as producer:
        for value in values:
            producer.send(topic, value).get(timeout=10)
    program.forget(keys, "c1")
    again = program.receive(kafka, topic, 2)
    read = program.read(keys, again)
    assert (again, read) == (values, [("(forgotten)", 30), ("Ben Orr", 12)])


def test_rabbitmq_log_of_a_forgotten_customer_has_bytes_and_no_name(
    channel, stream, keys
):
    program = forget_a_customer_rabbitmq
    values = place_both(program, keys)
    for value in values:
        channel.basic_publish("", stream, value)
    program.forget(keys, "c1")
    again = program.receive(channel, stream, 2)
    read = program.read(keys, again)
    assert (again, read) == (values, [("(forgotten)", 30), ("Ben Orr", 12)])


def test_no_event_holds_a_name_in_plain_text(keys):
    assert b"Ann" not in b"".join(place_both(forget_a_customer_kafka, keys))


def test_the_amounts_of_a_forgotten_customer_can_still_be_summed(keys):
    values = place_both(forget_a_customer_kafka, keys)
    forget_a_customer_kafka.forget(keys, "c1")
    orders = forget_a_customer_kafka.read(keys, values)
    assert sum(amount for _, amount in orders) == 42


def test_another_customers_key_does_not_open_the_name(keys):
    ann, _ = place_both(forget_a_customer_kafka, keys)
    other = forget_a_customer_kafka.key_of(keys, "c2")
    with pytest.raises(InvalidToken):
        Fernet(other).decrypt(json.loads(ann)["name"])


def test_a_read_model_has_the_name_until_it_is_rebuilt(keys):
    values = place_both(forget_a_customer_kafka, keys)
    forget_a_customer_kafka.rebuild(keys, values)
    forget_a_customer_kafka.forget(keys, "c1")
    names = "SELECT name FROM orders WHERE amount = 30"
    before = keys.execute(names).fetchone()
    forget_a_customer_kafka.rebuild(keys, values)
    after = keys.execute(names).fetchone()
    assert (before, after) == (("Ann Lee",), ("(forgotten)",))


def test_a_copy_of_the_key_brings_the_name_back(keys):
    values = place_both(forget_a_customer_kafka, keys)
    backup = forget_a_customer_kafka.key_of(keys, "c1")
    forget_a_customer_kafka.forget(keys, "c1")
    keys.execute("INSERT INTO keys VALUES ('c1', ?)", [backup])
    assert forget_a_customer_kafka.read(keys, values)[0] == ("Ann Lee", 30)


@pytest.mark.parametrize(("secure", "stays"), [("OFF", True), ("ON", False)])
def test_sqlite_leaves_a_deleted_key_in_the_file_unless_told(tmp_path, secure, stays):
    path = tmp_path / "keys.db"
    with closing(sqlite3.connect(path)) as store:
        store.execute(f"PRAGMA secure_delete = {secure}")
        store.executescript(forget_a_customer_kafka.TABLES)
        with store:
            place_both(forget_a_customer_kafka, store)
        key = forget_a_customer_kafka.key_of(store, "c1")
        with store:
            forget_a_customer_kafka.forget(store, "c1")
    assert (key in path.read_bytes()) == stays

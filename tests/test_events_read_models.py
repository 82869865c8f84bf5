"""Notification, carried state and read models: chapter 6, what events do to reading."""

import json
import os
import signal
import sqlite3
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from multiprocessing import get_context
from types import SimpleNamespace
from urllib.error import URLError

import pika
import pytest
from event_driven_patterns import (
    cqrs_read_models_kafka,
    cqrs_read_models_rabbitmq,
    event_carried_state_kafka,
    event_carried_state_rabbitmq,
    event_notification_kafka,
    event_notification_rabbitmq,
    rebuild_projection_kafka,
    rebuild_projection_rabbitmq,
)
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import OffsetOutOfRangeError
from waiting import until

NOTIFICATION = {
    "kafka": event_notification_kafka,
    "rabbitmq": event_notification_rabbitmq,
}
CARRIED = {
    "kafka": event_carried_state_kafka,
    "rabbitmq": event_carried_state_rabbitmq,
}
CQRS = {"kafka": cqrs_read_models_kafka, "rabbitmq": cqrs_read_models_rabbitmq}
REBUILD = {"kafka": rebuild_projection_kafka, "rabbitmq": rebuild_projection_rabbitmq}
CONSUMERS = ["shipping", "billing", "returns"]
LAMP = {"customer": "Ann", "product": "lamp", "price": 49}


@pytest.fixture(params=["kafka", "rabbitmq"])
def broker(request):
    return request.param


@pytest.fixture
def address(broker, request):
    return request.getfixturevalue(broker)


@pytest.fixture
def publisher(broker, request, new_channel):
    """What the programs publish with: a producer, or a channel with confirms."""
    if broker == "rabbitmq":
        yield new_channel()
    else:
        with KafkaProducer(bootstrap_servers=request.getfixturevalue("kafka")) as it:
            yield it


@pytest.fixture
def subscribe(broker, publisher, topic):
    """A function that makes RabbitMQ keep events for consumers with these names."""
    if broker == "kafka":
        return lambda names: None  # A group that comes late begins at the start.
    return partial(event_notification_rabbitmq.subscribe, publisher, topic)


@pytest.fixture
def orders():
    """The database of the service that owns the orders."""
    with event_carried_state_kafka.open_orders() as orders:
        yield orders


@pytest.fixture
def thin(broker, address, publisher, subscribe, orders, topic):
    """The notification program's functions, ready for three consumers."""
    subscribe(CONSUMERS)
    program = NOTIFICATION[broker]
    return SimpleNamespace(
        change=partial(program.change, orders, publisher, topic),
        work=partial(program.work, address, topic),
        serve=partial(program.serve, orders),
    )


@pytest.fixture
def fat(broker, address, publisher, subscribe, orders, topic):
    """The same of the program whose events carry the state."""
    subscribe(CONSUMERS)
    program = CARRIED[broker]
    return SimpleNamespace(
        change=partial(program.change, orders, publisher, topic),
        work=partial(program.work, address, topic),
        serve=partial(program.serve, orders),
        find=program.find,
    )


# Notification: few bytes, and a call back for each event and consumer.


def test_every_consumer_calls_back_for_every_event(thin):
    for number in range(1, 201):
        thin.change(number, "placed")
    with thin.serve() as source, ThreadPoolExecutor() as pool:
        list(pool.map(partial(thin.work, source.server_port, 200), CONSUMERS))
        assert len(source.answers) == 600


def test_a_call_back_reads_the_state_of_now_and_not_of_the_event(thin):
    for status in ("placed", "paid", "cancelled"):
        thin.change(1, status)
    with thin.serve() as source:
        seen = thin.work(source.server_port, 3, "shipping")
    assert seen == ["cancelled"] * 3


def test_a_consumer_of_notifications_waits_for_its_source(thin):
    thin.change(1, "placed")
    with thin.serve() as source:
        port = source.server_port
    with pytest.raises(URLError):
        thin.work(port, 1, "shipping")
    with thin.serve() as source:
        assert thin.work(source.server_port, 1, "shipping") == ["placed"]


# Carried state: no call back, more bytes, a copy that ages.


def test_carried_state_makes_no_call_back(fat):
    with fat.serve() as source, event_carried_state_kafka.open_orders() as copy:
        for number in range(1, 201):
            fat.change(number, "placed")
        assert fat.work("shipping", copy, 200) == ["placed"] * 200
        assert source.answers == []


def test_carried_state_works_on_while_the_source_is_down(fat):
    fat.change(1, "placed")
    with event_carried_state_kafka.open_orders() as copy:
        assert fat.work("shipping", copy, 1) == ["placed"]
        assert json.loads(fat.find(copy, 1))["address"] == "1 Mill Lane, Leeds"


def test_carried_events_tell_every_change_and_not_only_the_last(fat):
    for status in ("placed", "paid", "cancelled"):
        fat.change(1, status)
    with event_carried_state_kafka.open_orders() as copy:
        assert fat.work("shipping", copy, 3) == ["placed", "paid", "cancelled"]


def test_a_copy_is_as_old_as_the_last_event_that_was_read(fat, orders):
    for status in ("placed", "paid", "cancelled"):
        fat.change(1, status)
    with event_carried_state_kafka.open_orders() as copy:
        fat.work("shipping", copy, 2)
        held = [json.loads(fat.find(each, 1))["status"] for each in (orders, copy)]
        assert held == ["cancelled", "paid"]


def test_a_carried_event_that_comes_twice_changes_nothing(orders):
    state = json.dumps({"order": 1, "status": "paid"})
    for _ in range(2):
        event_carried_state_kafka.save(orders, state)
    assert orders.execute("SELECT * FROM orders").fetchall() == [(1, state)]


def test_an_older_event_that_comes_late_takes_the_copy_back(orders):
    for status in ("placed", "cancelled", "placed"):
        state = json.dumps({"order": 1, "status": status})
        event_carried_state_kafka.save(orders, state)
    assert json.loads(event_carried_state_kafka.find(orders, 1))["status"] == "placed"


def test_carried_events_have_at_least_seven_times_the_bytes(thin, fat):
    sizes = [
        sum(each.change(n, "placed") for n in range(1, 201)) for each in (thin, fat)
    ]
    assert 7 < sizes[1] / sizes[0] < 9


def test_the_bytes_of_carried_events_are_those_of_the_calls_back(thin, fat):
    thin.change(1, "placed")
    with thin.serve() as source:
        for name in CONSUMERS:
            thin.work(source.server_port, 1, name)
        assert sum(source.answers) == 3 * fat.change(1, "placed")


def test_kafka_stores_carried_events_in_more_bytes(kafka, topic, orders):
    sizes = []
    for program, name in (
        (event_notification_kafka, "thin"),
        (CARRIED["kafka"], "fat"),
    ):
        with KafkaProducer(bootstrap_servers=kafka) as producer:
            for number in range(1, 51):
                program.change(orders, producer, f"{topic}-{name}", number, "placed")
        sizes.append(stored(kafka, f"{topic}-{name}"))
    assert 1.5 < sizes[1] / sizes[0] < 3


def stored(bootstrap, topic):
    """Return how many bytes the broker has on its disk for the topic."""
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        (node,) = admin.describe_log_dirs({topic: [0]})
    (folder,) = node["log_dirs"]
    return folder["topics"][0]["partitions"][0]["partition_size"]


# CQRS: commands are checked on one side, queries are answered on the other.


@pytest.fixture
def publish(broker, publisher, topic):
    """A function that hands the body of an event to the broker."""
    if broker == "kafka":
        return lambda body: publisher.send(topic, body).get(timeout=10)
    return partial(publisher.basic_publish, topic, "")


@pytest.fixture
def command(broker, subscribe, publish):
    """A function that obeys commands, on a write side that is empty."""
    subscribe(["orders"])
    with closing(sqlite3.connect(":memory:")) as shop:
        shop.execute(CQRS[broker].WRITE_SIDE)
        yield partial(CQRS[broker].obey, shop, publish)


@pytest.fixture
def published(broker, address, publisher, topic):
    """A function that returns how many events the broker has."""

    def count():
        if broker == "rabbitmq":
            queue = publisher.queue_declare(f"{topic}-orders", passive=True)
            return queue.method.message_count
        with KafkaConsumer(bootstrap_servers=address) as consumer:
            return sum(consumer.end_offsets([TopicPartition(topic, 0)]).values())

    return count


@pytest.fixture
def path(tmp_path):
    """The file of an empty read model."""
    with closing(sqlite3.connect(tmp_path / "model.db")) as model:
        model.executescript(cqrs_read_models_kafka.READ_MODEL)
    return tmp_path / "model.db"


@pytest.fixture
def model(path):
    with closing(sqlite3.connect(path)) as model:
        yield model


@pytest.fixture
def orders_of(broker, address, publisher, subscribe, path, topic):
    """The program's functions for the read model that counts orders."""
    subscribe(["orders"])
    args = [address, topic, "orders", path]
    return SimpleNamespace(project=partial(CQRS[broker].project, *args), args=args)


def placed(position):
    """Return the event of an order by Ann for a lamp."""
    return {**LAMP, "status": "placed", "position": position}


@pytest.fixture
def deliver(publish, orders_of):
    """A function that publishes such events, to try what no write side would do."""

    def deliver(*positions):
        for position in positions:
            publish(json.dumps(placed(position)).encode())

    return deliver


@pytest.mark.parametrize("number", [1, 9], ids=["cancelled before", "never placed"])
def test_a_refused_command_publishes_nothing(command, published, number):
    command(1, "placed", **LAMP)
    command(1, "cancelled")
    with pytest.raises(ValueError, match=f"order {number} is"):
        command(number, "cancelled")
    assert until(lambda: published() >= 2)
    assert published() == 2


def test_an_order_is_placed_once(command):
    command(1, "placed", **LAMP)
    with pytest.raises(ValueError, match="so it can't be placed"):
        command(1, "placed", **LAMP)


def test_a_query_that_waits_for_its_command_reads_the_write(command, orders_of, path):
    with ThreadPoolExecutor() as pool:
        command(1, "placed", **LAMP)
        asked = pool.submit(CQRS["kafka"].query, path, command(2, "placed", **LAMP))
        orders_of.project(2)
        assert asked.result(10) == {"Ann": 2}


def test_a_query_right_after_the_command_does_not_see_it(command, path):
    assert command(1, "placed", **LAMP) == 1
    assert CQRS["kafka"].query(path) == {}


def test_a_query_gives_up_at_its_deadline_and_says_the_lag(path):
    with pytest.raises(TimeoutError, match="is at 0, not at 3"):
        CQRS["kafka"].query(path, 3, seconds=0.05)


def test_two_read_models_stand_at_different_positions(broker, address, topic, capsys):
    CQRS[broker].main(address, topic)
    assert "orders at 3: {'Ann': 0, 'Ben': 1}\nrevenue meanwhile: {}\n" in (
        capsys.readouterr().out
    )


def test_an_event_that_is_delivered_twice_is_counted_once(orders_of, deliver, path):
    deliver(1, 1, 2, 1)
    deliver(3)
    orders_of.project(3)
    assert CQRS["kafka"].query(path) == {"Ann": 3}


def test_a_projection_refuses_a_gap(orders_of, deliver):
    deliver(1, 3)
    with pytest.raises(ValueError, match="event 2 is missing"):
        orders_of.project(3)


def test_a_position_that_cannot_be_stored_takes_its_effect_back(model):
    model.execute(
        "CREATE TRIGGER full BEFORE UPDATE ON progress "
        "BEGIN SELECT RAISE(ABORT, 'no space'); END"
    )
    with pytest.raises(sqlite3.IntegrityError, match="no space"):
        CQRS["kafka"].apply(model, placed(1), "Ann", 1)
    assert model.execute("SELECT * FROM totals").fetchall() == []


def die_after(position, broker, *args):
    """Project, and be killed when an event is in the model and not acknowledged."""
    program = CQRS[broker]
    apply = program.apply

    def apply_and_die(model, event, *effect):
        apply(model, event, *effect)
        if event["position"] == position:
            os.kill(os.getpid(), signal.SIGKILL)

    program.apply = apply_and_die
    program.project(*args)


def in_a_process(target, *args):
    """Call `target` in a process of its own; return how that ended."""
    process = get_context("spawn").Process(target=target, args=args)
    process.start()
    process.join(60)
    return process.exitcode


def test_a_killed_projection_gets_its_event_again_and_counts_it_once(
    broker, orders_of, deliver, path, monkeypatch
):
    deliver(1, 2, 3, 4)
    ended = in_a_process(die_after, 2, broker, *orders_of.args, 4)
    assert ended == -signal.SIGKILL
    handed, apply = [], CQRS[broker].apply

    def note(model, event, *effect):
        handed.append(event["position"])
        apply(model, event, *effect)

    monkeypatch.setattr(CQRS[broker], "apply", note)
    orders_of.project(4)
    assert (handed, CQRS["kafka"].query(path)) == ([2, 3, 4], {"Ann": 4})


# A read model is dropped, and built again from the start.


@pytest.fixture
def database(tmp_path):
    with closing(sqlite3.connect(tmp_path / "shop.db")) as database:
        database.executescript(rebuild_projection_kafka.TABLES)
        yield database


@pytest.fixture
def history(broker, address, publisher, topic):
    """The program's functions for a topic or a stream of 40 events, and the events."""
    program = REBUILD[broker]
    if broker == "kafka":
        program.create(address, topic)
    else:
        program.declare(publisher, topic)
    events = [
        (status, number, product, price)
        for number, (product, price) in enumerate([("lamp", 49), ("book", 15)] * 15)
        for status in ("placed", "cancelled")[: 2 if number % 3 == 0 else 1]
    ]
    for event in events:
        program.send(publisher, topic, *event)
    place = address if broker == "kafka" else publisher.connection
    return SimpleNamespace(
        program=program,
        send=partial(program.send, publisher, topic),
        update=partial(program.update, place, topic),
        mail=partial(program.send_mails, place, topic),
        events=events,
    )


def fold(events):
    """Return the revenue that the events make, without a broker or a database."""
    revenue = Counter()
    for status, _, product, price in events:
        revenue[product] += price if status == "placed" else -price
    return dict(revenue)


def switch(database):
    database.executescript(rebuild_projection_kafka.SWITCH)


def test_a_rebuilt_model_is_the_fold_of_all_events(history, database):
    program = history.program
    history.update(database, "revenue", program.mistaken, 40)
    wrong = program.read(database)
    history.update(database, "rebuilt", program.mended, 40)
    switch(database)
    assert program.read(database) == fold(history.events) != wrong


def test_readers_keep_the_old_model_until_the_switch(history, database):
    history.update(database, "revenue", history.program.mistaken, 40)
    before = history.program.read(database)
    history.update(database, "rebuilt", history.program.mended, 40)
    assert history.program.read(database) == before


def test_a_reader_sees_the_old_model_or_the_new_and_never_a_part(database, tmp_path):
    begun, _, _ = rebuild_projection_kafka.SWITCH.partition("COMMIT")
    database.execute("INSERT INTO revenue VALUES ('lamp', 98)")
    database.execute("INSERT INTO rebuilt VALUES ('lamp', 49)")
    database.commit()
    with closing(sqlite3.connect(tmp_path / "shop.db")) as reader:
        database.executescript(begun)
        seen = [rebuild_projection_kafka.read(reader)]
        database.execute("COMMIT")
        seen.append(rebuild_projection_kafka.read(reader))
    assert seen == [{"lamp": 98}, {"lamp": 49}]


def test_the_new_model_goes_on_from_its_own_position(history, database):
    history.update(database, "rebuilt", history.program.mended, 40)
    switch(database)
    history.send("placed", 99, "lamp", 49)
    history.update(database, "revenue", history.program.mended, 41)
    expected = fold([*history.events, ("placed", 99, "lamp", 49)])
    assert history.program.read(database) == expected


def test_a_rebuilding_repeats_no_mail(history, database):
    sent = [history.mail()]
    history.update(database, "rebuilt", history.program.mended, 40)
    sent.append(history.mail())
    assert sent == [40, 0]


def rebuild_and_die(offset, broker, address, topic, path):
    """Rebuild, and be killed when the event at `offset` is in the model."""
    program = REBUILD[broker]
    apply = program.apply

    def apply_and_die(database, model, amount, at, event):
        apply(database, model, amount, at, event)
        if at == offset:
            os.kill(os.getpid(), signal.SIGKILL)

    program.apply = apply_and_die
    if broker == "rabbitmq":
        address = pika.BlockingConnection(pika.URLParameters(address))
    program.update(address, topic, sqlite3.connect(path), "rebuilt", program.mended, 40)


def test_a_killed_rebuilding_goes_on_from_its_stored_position(
    broker, address, topic, history, database, tmp_path, monkeypatch
):
    program, path = history.program, tmp_path / "shop.db"
    ended = in_a_process(rebuild_and_die, 24, broker, address, topic, path)
    assert ended == -signal.SIGKILL
    taken, apply = [], program.apply

    def note(database, model, amount, at, event):
        taken.append(at)
        apply(database, model, amount, at, event)

    monkeypatch.setattr(program, "apply", note)
    history.update(database, "rebuilt", program.mended, 40)
    switch(database)
    assert taken == list(range(25, 40))
    assert program.read(database) == fold(history.events)


def test_kafka_refuses_to_rebuild_when_the_start_is_gone(kafka, topic, database):
    program = rebuild_projection_kafka
    program.create(kafka, topic)
    with KafkaProducer(bootstrap_servers=kafka) as producer:
        for number in range(3):
            program.send(producer, topic, "placed", number, "lamp", 49)
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        admin.delete_records({TopicPartition(topic, 0): 2})
    with pytest.raises(OffsetOutOfRangeError):
        program.update(kafka, topic, database, "rebuilt", program.mended, 3)


def test_rabbitmq_skips_what_is_gone_and_the_rebuilding_refuses(
    channel, queue, database
):
    program, mib = rebuild_projection_rabbitmq, 1024 * 1024
    limits = {"x-stream-max-segment-size-bytes": mib, "x-max-length-bytes": 2 * mib}
    channel.exchange_declare(queue, "fanout", durable=True)
    arguments = {"x-queue-type": "stream", **limits}
    channel.queue_declare(f"{queue}-stream", durable=True, arguments=arguments)
    channel.queue_bind(f"{queue}-stream", queue)
    for number in range(45):
        program.send(channel, queue, "placed", number, "lamp" * 25_000, 49)
    with pytest.raises(ValueError, match="event 0 is gone"):
        program.update(
            channel.connection, queue, database, "rebuilt", program.mended, 45
        )

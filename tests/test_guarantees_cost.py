"""Where a broker's own guarantee ends, and what a guarantee costs."""

import asyncio
import sqlite3
from contextlib import suppress
from urllib.parse import urlsplit

import pika
import pytest
from brokers import rabbitmq as start_rabbitmq
from delivery_guarantees import (
    cost_of_a_guarantee_kafka,
    cost_of_a_guarantee_rabbitmq,
    transactional_copy_stops_at_the_border_kafka,
    transactional_copy_stops_at_the_border_rabbitmq,
)
from delivery_guarantees.stream_publisher_dedup_rabbitmq import (
    last_id,
    publish,
    publish_and_die,
    read,
)
from kafka import KafkaProducer
from pika.exceptions import AMQPError
from reading import stored
from rstream import AMQPMessage, Producer, schema
from rstream.client import Client
from waiting import until

BORDERS = {
    "kafka": transactional_copy_stops_at_the_border_kafka,
    "rabbitmq": transactional_copy_stops_at_the_border_rabbitmq,
}
COSTS = {"kafka": cost_of_a_guarantee_kafka, "rabbitmq": cost_of_a_guarantee_rabbitmq}
TEN = {number: f"order {number}" for number in range(1, 11)}


# The border of a transaction


@pytest.mark.parametrize("broker", BORDERS)
@pytest.mark.parametrize(("keyed", "mails"), [(False, 2), (True, 1)])
def test_a_transaction_keeps_one_invoice_and_only_a_key_keeps_one_e_mail(
    broker, request, topic, keyed, mails
):
    address, text = request.getfixturevalue(broker), "invoice for order 1"
    found = BORDERS[broker].die_after_the_mail(address, topic, keyed)
    assert found == ([text], [text] * mails)


# The idempotence of a producer ends with it


def resend(kafka, topic, **settings):
    """Send an order by two producers, one after the other; return what is stored."""
    for _ in range(2):
        with KafkaProducer(bootstrap_servers=kafka, **settings) as producer:
            producer.send(topic, b"order 1").get(timeout=10)
    return stored(kafka, topic)


def test_a_restarted_idempotent_producer_of_kafka_doubles_what_it_sends_again(
    kafka, topic
):
    stored = resend(kafka, topic, enable_idempotence=True)
    assert stored == [b"order 1", b"order 1"]


def test_a_transactional_id_does_not_tell_what_was_sent_before_the_restart(
    kafka, topic
):
    for _ in range(2):
        producer = KafkaProducer(bootstrap_servers=kafka, transactional_id=topic)
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(topic, b"order 1")
        producer.commit_transaction()
        producer.close()
    committed = stored(kafka, topic, isolation_level="read_committed")
    assert committed == [b"order 1", b"order 1"]


# What a stream drops


@pytest.fixture
def to(rabbitmq, channel, queue):
    """The address of the stream protocol, and a new stream."""
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "stream"})
    url = urlsplit(rabbitmq)
    return (url.hostname, url.port - 120), queue


def test_a_killed_publisher_sends_all_again_and_each_is_stored_once(to, channel):
    assert publish_and_die(*to, "web", TEN, 5) == -9
    publish(*to, "web", TEN)
    assert read(channel, to[1]) == list(TEN.values())


def test_the_broker_tells_a_publisher_its_last_id(to, channel):
    assert publish_and_die(*to, "web", TEN, 5) == -9
    stored = read(channel, to[1])
    last = asyncio.run(last_id(*to, "web"))
    assert last >= 5
    assert stored == list(TEN.values())[:last]


def test_the_broker_answers_zero_for_a_publisher_that_it_does_not_know(to):
    assert asyncio.run(last_id(*to, "nobody")) == 0


@pytest.mark.parametrize("name", ["web-2", None])
def test_another_name_or_none_stores_everything_again(to, channel, name):
    publish(*to, "web", TEN)
    publish(*to, name, TEN)
    assert read(channel, to[1]) == [*TEN.values()] * 2


def test_a_publisher_without_a_name_is_never_deduplicated(to, channel):
    publish(*to, None, TEN)
    publish(*to, None, TEN)
    assert len(read(channel, to[1])) == 20


def test_a_gap_in_the_ids_is_fine_and_a_lower_id_is_confirmed_and_not_stored(
    to, channel
):
    publish(*to, "web", {3: "order 3", 1000: "order 1000"})
    publish(*to, "web", {4: "order 4", 1000: "another"})  # It waits for confirms.
    assert read(channel, to[1]) == ["order 3", "order 1000"]


def test_the_same_name_starts_anew_in_another_stream(to, channel):
    place, stream = to
    other = f"{stream}-2"
    channel.queue_declare(other, durable=True, arguments={"x-queue-type": "stream"})
    publish(place, stream, "web", TEN)
    publish(place, other, "web", TEN)
    assert read(channel, other) == list(TEN.values())


def test_amqp_0_9_1_has_no_id_that_a_stream_would_look_at(to, channel):
    about = pika.BasicProperties(message_id="1", headers={"publishing-id": 1})
    for _ in range(2):
        channel.basic_publish("", to[1], b"order 1", about)
    assert read(channel, to[1]) == ["order 1", "order 1"]


def test_a_stream_knows_a_publisher_s_last_id_after_a_restart(queue):
    with start_rabbitmq() as broker:
        url = urlsplit(broker.address)
        to = (url.hostname, url.port - 120), queue
        with pika.BlockingConnection(pika.URLParameters(broker.address)) as connection:
            kind = {"x-queue-type": "stream"}
            connection.channel().queue_declare(queue, durable=True, arguments=kind)
        publish(*to, "web", TEN)
        broker.nodes[0].stop()
        broker.nodes[0].start()

        def is_there():
            with suppress(AMQPError):  # Its replica starts a little later.
                connection = pika.BlockingConnection(pika.URLParameters(broker.address))
                with connection:
                    return read(connection.channel(), queue) == list(TEN.values())

        assert until(is_there, 30)
        assert asyncio.run(last_id(*to, "web")) == 10


def test_a_stream_forgets_the_oldest_names_above_255_with_a_new_segment(to):
    names = [f"web-{number}" for number in range(260)]

    async def fill():
        client = Client(*to[0], frame_max=2**20, heartbeat=60)
        await client.start()
        await client.authenticate("/", "guest", "guest")
        stream, confirmed = f"{to[1]}-small", asyncio.Queue()

        async def on_confirm(frame):
            await confirmed.put(frame)

        async def send(name, size):
            await client.declare_publisher(stream, name, 1)
            order = schema.Message(publishing_id=1, filter_value=None, data=b"." * size)
            await client.publish([order], 1)
            await asyncio.wait_for(confirmed.get(), 10)
            await client.delete_publisher(1)

        async def known():
            query = client.query_publisher_sequence
            return [name for name in names if await query(stream, name)]

        client.add_handler(schema.PublishConfirm, on_confirm)
        small = {"stream-max-segment-size-bytes": 1_000_000}
        await client.create_stream(stream, small)
        for name in names:
            await send(name, 10)
        before = await known()
        for _ in range(4):
            await send("", 500_000)
        after = await known()
        await client.delete_stream(stream)
        await client.close()
        return before, after

    before, after = asyncio.run(fill())
    assert before == names
    assert after == names[5:]


def test_the_client_goes_on_from_the_last_id_if_a_message_has_none(to, channel):
    async def send():
        async with Producer(*to[0], username="guest", password="guest") as producer:
            order = AMQPMessage(body=b"order 11")
            return await producer.send_wait(to[1], order, "web")

    publish(*to, "web", TEN)
    assert asyncio.run(send()) == 11
    assert len(read(channel, to[1])) == 11


# The cost


@pytest.fixture(params=["kafka", "rabbitmq"])
def cost(request, channel, topic):
    """Each broker's functions by turns, its address, and a place for orders."""
    channel.queue_declare(topic, durable=True, arguments={"x-queue-type": "quorum"})
    return COSTS[request.param], request.getfixturevalue(request.param), topic


def test_one_by_one_is_several_times_as_slow_as_with_a_window(cost):
    program, *place = cost
    (one, _), (many, _) = (
        program.best(program.send, *place, window) for window in (1, 100)
    )
    assert one > 2 * many


def test_without_confirms_nothing_is_known_and_with_them_each_order_is(cost):
    program, *place = cost
    known = [len(program.send(*place, window, 50)[1]) for window in (None, 1, 20)]
    assert known == [0, 50, 50]


def test_a_receiver_is_several_times_as_slow_with_two_commits_an_order(cost):
    program, *place = cost
    program.send(*place, 100, 610)  # Each run takes one more than it counts.
    many, one = (program.best(program.receive, *place, size) for size in (50, 1))
    assert one > 2 * many


def test_a_kafka_transaction_each_is_several_times_as_slow_as_one_for_fifty(
    kafka, topic
):
    program = cost_of_a_guarantee_kafka
    send = program.send_in_transactions
    (one, _), (many, _) = (program.best(send, kafka, topic, size) for size in (1, 50))
    assert one > 2 * many


@pytest.mark.parametrize("broker", COSTS)
@pytest.mark.parametrize(("known", "booked"), [(False, 4), (True, 2)])
def test_an_order_that_comes_again_is_booked_once_only_if_it_is_known(
    broker, known, booked
):
    program = COSTS[broker]
    with sqlite3.connect(":memory:") as db:
        db.execute("CREATE TABLE seen (number UNIQUE)")
        db.execute("CREATE TABLE ledger (number)")
        for _ in range(2):
            program.handle(db, [1, 2], known)
        assert db.execute("SELECT COUNT(*) FROM ledger").fetchone() == (booked,)

"""The claims of chapter 4 on exchanges, bindings and messages that match nothing."""

import re
from functools import partial
from uuid import uuid4

import pika
import pytest
from brokers import kafka as start_kafka
from confluent_kafka import Consumer, KafkaError, Producer
from kafka import KafkaAdminClient, KafkaProducer
from kafka.errors import KafkaTimeoutError
from pika.exceptions import ChannelClosedByBroker, ShortStringTooLong, UnroutableError
from rabbitmq_concepts import (
    alternate_exchange_rabbitmq,
    default_exchange_rabbitmq,
    direct_exchange_kafka,
    direct_exchange_rabbitmq,
    fanout_exchange_rabbitmq,
    headers_exchange_kafka,
    headers_exchange_rabbitmq,
    topic_exchange_kafka,
    topic_exchange_rabbitmq,
    unroutable_is_lost_rabbitmq,
    unroutable_is_returned_kafka,
    unroutable_is_returned_rabbitmq,
)


@pytest.fixture
def exchange():
    """The name of an exchange that no other test uses."""
    return f"orders-{uuid4().hex}"


def new_queue(channel):
    """Return the name of a new queue, which goes with the connection."""
    return channel.queue_declare("", exclusive=True).method.queue


def bound(channel, exchange, *keys, arguments=None):
    """Return the name of a new queue that is bound to `exchange` with each key."""
    queue = new_queue(channel)
    for key in keys:
        channel.queue_bind(queue, exchange, routing_key=key, arguments=arguments)
    return queue


def take_all(channel, queue):
    """Take what is in the queue; return the routing keys."""
    get = partial(channel.basic_get, queue, auto_ack=True)
    return [method.routing_key for method, _, _ in iter(get, (None, None, None))]


def refusal(call, *args, **kwargs):
    """Return the code with which the broker closes the channel on this call."""
    with pytest.raises(ChannelClosedByBroker) as refused:
        call(*args, **kwargs)
    return refused.value.reply_code


# Direct: the binding key is the routing key.


def test_direct_exchange_copies_to_each_queue_bound_with_the_key(
    rabbitmq, exchange, capsys
):
    direct_exchange_rabbitmq.main(rabbitmq, exchange)
    assert capsys.readouterr().out == (
        "shipping, bound with paid:       ['order 7 paid']\n"
        "audit, bound with placed, paid:  ['order 7 placed', 'order 7 paid']\n"
    )


@pytest.mark.parametrize("key", ["Paid", "paid ", "paid.late", "pai", "*", "#", ""])
def test_direct_exchange_takes_only_the_equal_key(channel, exchange, key):
    channel.exchange_declare(exchange, "direct", durable=True)
    queue = bound(channel, exchange, "paid")
    channel.basic_publish(exchange, key, b"")
    assert take_all(channel, queue) == []


def test_kafka_producer_names_the_topic_and_each_group_its_topics(kafka, topic, capsys):
    direct_exchange_kafka.main(kafka, topic)
    assert capsys.readouterr().out == (
        "shipping, subscribed to paid:         ['order 7 paid']\n"
        "audit, subscribed to placed and paid: ['order 7 paid', 'order 7 placed']\n"
    )


# Fanout: every bound queue.


def test_fanout_exchange_ignores_keys_and_gives_each_queue_one_copy(
    rabbitmq, exchange, capsys
):
    fanout_exchange_rabbitmq.main(rabbitmq, exchange)
    copies = "['order 7 placed', 'order 7 paid', 'order 7 cancelled']"
    assert capsys.readouterr().out == (
        f"billing, bound with no key:      {copies}\n"
        f"shipping, bound with paid:       {copies}\n"
        f"audit, bound with placed, paid:  {copies}\n"
    )


# Topic: words and wildcards.


@pytest.mark.parametrize(
    ("pattern", "key", "matches"),
    [
        ("order", "order", True),
        ("order.*", "order", False),
        ("order.*", "order.placed", True),
        ("order.*", "order.placed.late", False),
        ("order.*", "order.", True),  # The second word is empty, and a word.
        ("order.#", "order", True),
        ("order.#", "order.placed", True),
        ("order.#", "order.placed.late", True),
        ("order.#", "orders", False),
        ("*.error", "payment.error", True),
        ("*.error", "payment.card.error", False),
        ("*.error", "error", False),
        ("*.error", ".error", True),
        ("#.error", "error", True),
        ("#.error", "payment.card.error", True),
        ("payment.*.error", "payment.error", False),
        ("payment.#.error", "payment.error", True),
        ("payment.#.error", "payment.card.visa.error", True),
        ("#", "", True),
        ("#", "order.placed", True),
        ("*", "", False),  # The empty key has no word.
        ("*", "order", True),
        ("*.#", "order", True),
        ("*.#", "", False),
        ("", "", True),
        ("order.pl*", "order.placed", False),  # A wildcard is a whole word.
        ("Order", "order", False),
        ("order.placed", "order.*", False),  # In a routing key `*` is a plain word.
    ],
)
def test_topic_exchange_matches_words(channel, exchange, pattern, key, matches):
    channel.exchange_declare(exchange, "topic", durable=True)
    queue = bound(channel, exchange, pattern)
    channel.basic_publish(exchange, key, b"")
    assert take_all(channel, queue) == [key] * matches


def test_topic_table_is_the_brokers_own(rabbitmq, exchange, capsys):
    topic_exchange_rabbitmq.main(rabbitmq, exchange)
    rows = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert rows[1] == ["order.#", "order, order.placed, order.placed.late"]
    assert rows[2] == ["*.error", "payment.error"]


def test_queue_with_two_matching_bindings_gets_one_copy(channel, exchange):
    channel.exchange_declare(exchange, "topic", durable=True)
    queue = bound(channel, exchange, "order.*", "order.#", "#")
    channel.basic_publish(exchange, "order.placed", b"")
    assert take_all(channel, queue) == ["order.placed"]


def test_order_of_topic_bindings_does_not_matter(channel, exchange):
    channel.exchange_declare(exchange, "topic", durable=True)
    patterns = ["order.placed", "order.*", "#.late"]
    one = bound(channel, exchange, *patterns)
    other = bound(channel, exchange, *reversed(patterns))
    for key in ("order.placed", "order.placed.late", "payment.made"):
        channel.basic_publish(exchange, key, b"")
    got = take_all(channel, one)
    assert got == take_all(channel, other) == ["order.placed", "order.placed.late"]


def test_topic_pattern_has_at_most_two_hashes(channel, exchange):
    channel.exchange_declare(exchange, "topic", durable=True)
    bound(channel, exchange, "#.card.#")
    assert refusal(bound, channel, exchange, "#.card.#.visa.#") == 406


def test_kafka_finds_a_new_topic_that_matches_a_pattern(kafka, topic, capsys):
    topic_exchange_kafka.main(kafka, topic)
    assert capsys.readouterr().out == (
        "like *.error: ['payment.error']\n"
        "like #.error: ['error', 'payment.card.error', 'payment.error']\n"
        "shipment.error is created\n"
        "like *.error: ['payment.error', 'shipment.error']\n"
    )


def test_kafka_broker_does_the_matching_in_the_consumer_protocol(kafka, topic):
    options = {
        "bootstrap.servers": kafka,
        "group.id": topic,
        "group.protocol": "consumer",
    }
    consumer = Consumer(options)
    # The client knows back references. The broker's expressions, RE2/J, do not.
    consumer.subscribe([rf"^({topic})\1"])
    message = consumer.poll(10)
    consumer.close()
    assert "Broker: The regular expression is not valid" in message.error().str()


# Headers: what the binding asks for.


@pytest.mark.parametrize(
    ("asked", "headers", "matches"),
    [
        ({"x-match": "all", "country": "de", "gift": True}, {"country": "de"}, False),
        ({"x-match": "any", "country": "de", "gift": True}, {"country": "de"}, True),
        ({"x-match": "any", "country": "de"}, {"country": "fr"}, False),
        ({"country": "de", "gift": True}, {"country": "de"}, False),  # As with "all".
        ({"country": None}, {"country": "fr"}, True),  # Without a value: is it there?
        ({"country": None}, {"gift": True}, False),
        ({"weight": 1}, {"weight": "1"}, False),  # A number is not a string.
        ({"x-match": "all", "x-rush": True}, {}, True),  # Asks for nothing.
        ({"x-match": "any", "x-rush": True}, {"x-rush": True}, False),
        ({"x-match": "all-with-x", "x-rush": True}, {}, False),
        ({"x-match": "all-with-x", "x-rush": True}, {"x-rush": True}, True),
        ({"x-match": "any-with-x", "x-rush": True}, {"x-rush": True}, True),
    ],
)
def test_headers_exchange_compares_headers(channel, exchange, asked, headers, matches):
    channel.exchange_declare(exchange, "headers", durable=True)
    queue = bound(channel, exchange, "", arguments=asked)
    channel.basic_publish(exchange, "key", b"", pika.BasicProperties(headers=headers))
    assert take_all(channel, queue) == ["key"] * matches


def test_headers_exchange_ignores_the_routing_key(channel, exchange):
    channel.exchange_declare(exchange, "headers", durable=True)
    queue = bound(channel, exchange, "de", arguments={"country": "de"})
    headers_exchange_rabbitmq.publish(channel, exchange, "1", {"country": "de"})
    channel.basic_publish(exchange, "de", b"2", pika.BasicProperties(headers={}))
    assert headers_exchange_rabbitmq.take_all(channel, queue) == ["1"]


def test_headers_exchange_counts_x_headers_only_with_x(rabbitmq, exchange, capsys):
    headers_exchange_rabbitmq.main(rabbitmq, exchange)
    printed = capsys.readouterr().out
    asked = "{'country': 'de', 'x-rush': True}"
    assert f"\nall of {asked}\n  order 1, order 2\n" in printed
    assert f"\nall-with-x of {asked}\n  order 2\n" in printed


def test_headers_exchange_refuses_another_match(channel, exchange):
    channel.exchange_declare(exchange, "headers", durable=True)
    asked = {"x-match": "most", "country": "de"}
    assert refusal(bound, channel, exchange, "", arguments=asked) == 406


def test_kafka_consumer_reads_everything_to_filter_by_headers(kafka, topic):
    headers_exchange_kafka.send_orders(kafka, topic, 40)
    wants = headers_exchange_kafka.has_all(country=b"de", gift=b"yes")
    read, wanted = headers_exchange_kafka.read_as("group", kafka, topic, 40, wants)
    assert (len(read), [each.value for each in wanted]) == (
        40,
        [b"order 20", b"order 40"],
    )


# The default exchange.


def test_default_exchange_reaches_every_queue_under_its_name(rabbitmq, queue, capsys):
    default_exchange_rabbitmq.main(rabbitmq, queue)
    assert capsys.readouterr().out.startswith(
        "key is the queue's name: in the queue\nkey has one letter more: returned\n"
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda channel, queue: channel.queue_bind(queue, "", "key"),
        lambda channel, queue: channel.queue_unbind(queue, "", queue),
        lambda channel, queue: channel.exchange_bind("amq.fanout", "", "key"),
        lambda channel, queue: channel.exchange_declare("", "direct", durable=True),
        lambda channel, queue: channel.exchange_delete(""),
    ],
    ids=["bind", "unbind", "bind-exchange", "declare", "delete"],
)
def test_default_exchange_cannot_be_changed(channel, change):
    assert refusal(change, channel, new_queue(channel)) == 403


# What matches nothing: lost, returned or caught.


def test_message_that_matches_nothing_is_confirmed_and_lost(rabbitmq, exchange, capsys):
    unroutable_is_lost_rabbitmq.main(rabbitmq, exchange)
    assert capsys.readouterr().out.splitlines()[1:] == [
        "order 8, published with payed: confirmed",
        "in the queue: ['order 7']",
        "after binding the queue with payed too: []",
    ]


def test_mandatory_message_that_matches_nothing_is_returned(rabbitmq, exchange, capsys):
    unroutable_is_returned_rabbitmq.main(rabbitmq, exchange)
    assert capsys.readouterr().out.splitlines() == [
        "order 7, published with paid: confirmed, and not returned",
        "order 8, published with payed: 312 NO_ROUTE",
        "  what came back: 'order 8'",
    ]


def test_return_comes_before_the_acknowledgement(rabbitmq):
    events = []

    def on_confirm(frame):
        events.append(frame.method.NAME)
        connection.close()

    def on_channel(channel):
        def publish(_):
            channel.basic_publish("", f"no-{uuid4().hex}", b"", mandatory=True)

        channel.add_on_return_callback(lambda *got: events.append(got[1].NAME))
        channel.confirm_delivery(on_confirm, callback=publish)

    connection = pika.SelectConnection(
        pika.URLParameters(rabbitmq),
        on_open_callback=lambda opened: opened.channel(on_open_callback=on_channel),
        on_close_callback=lambda *_: connection.ioloop.stop(),
    )
    connection.ioloop.call_later(10, connection.ioloop.stop)
    connection.ioloop.start()
    assert events == ["Basic.Return", "Basic.Ack"]


def test_return_carries_the_message_and_no_number(channel, exchange):
    channel.exchange_declare(exchange, "direct", durable=True)
    known_by = pika.BasicProperties(message_id="order 8")
    with pytest.raises(UnroutableError) as returned:
        channel.basic_publish(exchange, "payed", b"a lamp", known_by, mandatory=True)
    (message,) = returned.value.messages
    assert (message.properties.message_id, message.body) == ("order 8", b"a lamp")
    assert not hasattr(message.method, "delivery_tag")


def test_mandatory_message_is_not_returned_for_want_of_a_consumer(channel, exchange):
    channel.exchange_declare(exchange, "direct", durable=True)
    queue = bound(channel, exchange, "paid")
    channel.basic_publish(exchange, "paid", b"", mandatory=True)
    assert take_all(channel, queue) == ["paid"]


def test_missing_exchange_closes_the_channel_and_returns_nothing(channel, exchange):
    assert refusal(channel.basic_publish, exchange, "", b"", mandatory=True) == 404


def test_alternate_exchange_catches_what_is_then_not_returned(
    rabbitmq, exchange, capsys
):
    alternate_exchange_rabbitmq.main(rabbitmq, exchange)
    assert capsys.readouterr().out == (
        "order 7, published with payed: returned\n"
        "order 8, published with paid: confirmed, and not returned\n"
        "order 9, published with payed: confirmed, and not returned\n"
        "shipping:   ['order 8, paid']\n"
        "to look at: ['order 9, payed']\n"
    )


def declare_with_alternate(channel, exchange, alternate, kind="direct"):
    """Declare an exchange of this kind whose alternate exchange is `alternate`."""
    arguments = {"alternate-exchange": alternate}
    channel.exchange_declare(exchange, kind, durable=True, arguments=arguments)


def test_alternate_exchanges_form_a_chain(channel, exchange):
    declare_with_alternate(channel, exchange, f"{exchange}-2")
    declare_with_alternate(channel, f"{exchange}-2", f"{exchange}-3")
    channel.exchange_declare(f"{exchange}-3", "fanout", durable=True)
    queue = bound(channel, f"{exchange}-3", "")
    channel.basic_publish(exchange, "payed", b"", mandatory=True)
    assert take_all(channel, queue) == ["payed"]


@pytest.mark.parametrize("alternate", ["missing", "itself", "circle"])
def test_chain_of_alternate_exchanges_that_leads_nowhere_ends_in_a_return(
    channel, exchange, alternate
):
    second = exchange if alternate == "itself" else f"{exchange}-2"
    declare_with_alternate(channel, exchange, second)
    if alternate == "circle":
        declare_with_alternate(channel, second, exchange)
    with pytest.raises(UnroutableError):
        channel.basic_publish(exchange, "payed", b"", mandatory=True)


def test_alternate_exchange_is_passed_over_if_another_exchange_matched(
    channel, exchange
):
    declare_with_alternate(channel, exchange, f"{exchange}-2")
    channel.exchange_declare(f"{exchange}-2", "fanout", durable=True)
    queue = bound(channel, f"{exchange}-2", "")
    channel.exchange_declare(f"{exchange}-empty", "fanout", durable=True)
    channel.exchange_bind(f"{exchange}-empty", exchange, "paid")
    with pytest.raises(UnroutableError):
        channel.basic_publish(exchange, "paid", b"", mandatory=True)
    assert take_all(channel, queue) == []


# The same without a route in Kafka.


def test_kafka_makes_the_unknown_topic_unless_it_is_told_not_to(kafka, topic, capsys):
    unroutable_is_returned_kafka.main(kafka, topic)
    assert capsys.readouterr().out == (
        "a producer with no creation\n"
        "'order 8': Broker: Unknown topic or partition\n"
        "the misspelt topic exists: False\n"
        "a producer with defaults\n"
        "'order 8': stored\n"
        "the misspelt topic exists: True\n"
    )


@pytest.fixture(scope="module")
def kafka_without_creation():
    """The address of a Kafka node on which only an administrator creates topics."""
    with start_kafka(settings={"auto.create.topics.enable": "false"}) as broker:
        yield broker.address


def test_kafka_that_makes_no_topics_lets_kafka_python_time_out(
    kafka_without_creation, topic
):
    with (
        KafkaProducer(
            bootstrap_servers=kafka_without_creation, max_block_ms=1000
        ) as producer,
        pytest.raises(KafkaTimeoutError),
    ):
        producer.send(topic, b"order 8")


def test_kafka_that_makes_no_topics_lets_librdkafka_report_an_unknown_topic(
    kafka_without_creation, topic
):
    errors = []
    options = {
        "bootstrap.servers": kafka_without_creation,
        "topic.metadata.propagation.max.ms": 1000,
    }
    with Producer(options) as producer:
        producer.produce(topic, b"8", on_delivery=lambda error, _: errors.append(error))
        producer.flush(10)
    assert [error.code() for error in errors] == [KafkaError.UNKNOWN_TOPIC_OR_PART]


def test_kafka_python_makes_the_topic_that_it_is_told_not_to_make(kafka, topic):
    with KafkaProducer(
        bootstrap_servers=kafka, allow_auto_create_topics=False
    ) as producer:
        producer.send(topic, b"order 8").get(timeout=10)
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        assert topic in admin.list_topics()


# Bindings.


def test_binding_twice_is_binding_once(channel, exchange):
    channel.exchange_declare(exchange, "direct", durable=True)
    queue = bound(channel, exchange, "paid", "paid")
    channel.basic_publish(exchange, "paid", b"")
    channel.queue_unbind(queue, exchange, "paid")
    channel.basic_publish(exchange, "paid", b"")
    assert take_all(channel, queue) == ["paid"]


def test_unbinding_what_is_not_bound_is_no_error(channel, exchange):
    channel.exchange_declare(exchange, "direct", durable=True)
    channel.queue_unbind(new_queue(channel), exchange, "paid")
    assert channel.is_open


@pytest.mark.parametrize("missing", ["queue", "exchange"])
def test_binding_needs_both_ends(channel, exchange, missing):
    queue = new_queue(channel)
    if missing == "queue":
        channel.exchange_declare(exchange, "direct", durable=True)
        queue = f"no-{queue}"
    assert refusal(channel.queue_bind, queue, exchange, "paid") == 404


def test_bindings_go_with_their_exchange(channel, exchange):
    channel.exchange_declare(exchange, "direct", durable=True)
    queue = bound(channel, exchange, "paid")
    channel.exchange_delete(exchange)
    channel.exchange_declare(exchange, "direct", durable=True)
    channel.basic_publish(exchange, "paid", b"")
    assert take_all(channel, queue) == []


def test_exchange_bound_to_an_exchange_routes_on_by_its_own_bindings(channel, exchange):
    channel.exchange_declare(exchange, "fanout", durable=True)
    channel.exchange_declare(f"{exchange}-2", "topic", durable=True)
    channel.exchange_bind(f"{exchange}-2", exchange)
    queue = bound(channel, f"{exchange}-2", "order.*")
    for key in ("order.placed", "payment.made"):
        channel.basic_publish(exchange, key, b"")
    assert take_all(channel, queue) == ["order.placed"]


def test_message_with_two_ways_to_a_queue_arrives_once(channel, exchange):
    channel.exchange_declare(exchange, "fanout", durable=True)
    channel.exchange_declare(f"{exchange}-2", "fanout", durable=True)
    channel.exchange_bind(f"{exchange}-2", exchange)
    channel.exchange_bind(exchange, f"{exchange}-2")  # A circle, which is no harm.
    queue = bound(channel, exchange, "")
    channel.queue_bind(queue, f"{exchange}-2")
    channel.basic_publish(exchange, "paid", b"")
    assert take_all(channel, queue) == ["paid"]


# Exchanges.


def test_exchange_declared_again_with_another_type_is_refused(channel, exchange):
    channel.exchange_declare(exchange, "direct", durable=True)
    channel.exchange_declare(exchange, "direct", durable=True)  # The same is nothing.
    assert refusal(channel.exchange_declare, exchange, "fanout", durable=True) == 406


def test_exchange_is_transient_unless_it_is_declared_durable(channel, exchange):
    channel.exchange_declare(exchange, "direct")
    with pytest.raises(ChannelClosedByBroker) as refused:
        channel.exchange_declare(exchange, "direct", durable=True)
    assert "received 'true' but current is 'false'" in refused.value.reply_text


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("amq.direct", "direct"),
        ("amq.fanout", "fanout"),
        ("amq.topic", "topic"),
        ("amq.headers", "headers"),
        ("amq.match", "headers"),
    ],
)
def test_durable_exchanges_are_there_from_the_start(channel, name, kind):
    channel.exchange_declare(name, kind, durable=True)
    assert channel.is_open


def test_names_that_begin_with_amq_are_reserved(channel):
    assert refusal(channel.exchange_declare, f"amq.{uuid4().hex}", "direct") == 403


def test_internal_exchange_takes_nothing_from_publishers(channel, exchange):
    channel.exchange_declare(exchange, "direct", durable=True, internal=True)
    assert refusal(channel.basic_publish, exchange, "paid", b"") == 403


def test_internal_exchange_takes_from_other_exchanges(channel, exchange):
    channel.exchange_declare(exchange, "fanout", durable=True)
    inner = f"{exchange}-2"
    channel.exchange_declare(inner, "fanout", durable=True, internal=True)
    channel.exchange_bind(inner, exchange)
    queue = bound(channel, inner, "")
    channel.basic_publish(exchange, "paid", b"")
    assert take_all(channel, queue) == ["paid"]


def test_auto_delete_exchange_goes_with_its_last_binding(channel, exchange):
    channel.exchange_declare(exchange, "direct", durable=True, auto_delete=True)
    channel.exchange_declare(exchange, passive=True)  # Not yet bound: it stays.
    queue = bound(channel, exchange, "placed", "paid")
    channel.queue_unbind(queue, exchange, "placed")
    channel.exchange_declare(exchange, passive=True)
    channel.queue_unbind(queue, exchange, "paid")
    assert refusal(channel.exchange_declare, exchange, passive=True) == 404


def test_exchange_that_is_bound_is_not_deleted_if_unused(channel, exchange):
    channel.exchange_declare(exchange, "direct", durable=True)
    bound(channel, exchange, "paid")
    assert refusal(channel.exchange_delete, exchange, if_unused=True) == 406


def test_routing_key_has_at_most_255_bytes(channel):
    channel.basic_publish("", "x" + 127 * "é", b"")
    with pytest.raises(ShortStringTooLong):
        channel.basic_publish("", 128 * "é", b"")


@pytest.mark.parametrize("kind", ["x-local-random", "x-modulus-hash"])
def test_exchange_of_this_type_needs_no_plugin_and_picks_one_queue(
    channel, exchange, kind
):
    channel.exchange_declare(exchange, kind, durable=True)
    queues = [bound(channel, exchange, "") for _ in range(3)]
    for _ in range(10):
        channel.basic_publish(exchange, "customer 7", b"")
    copies = [len(take_all(channel, queue)) for queue in queues]
    assert sum(copies) == 10
    if kind == "x-modulus-hash":  # By the key, and so always the same.
        assert sorted(copies) == [0, 0, 10]


@pytest.mark.parametrize("kind", ["x-random", "x-recent-history"])
def test_exchange_of_this_type_needs_a_plugin(channel, exchange, kind):
    with pytest.raises(ChannelClosedByBroker) as refused:
        channel.exchange_declare(exchange, kind, durable=True)
    assert refused.value.reply_code == 406
    assert re.search(f"(unknown|invalid) exchange type '{kind}'", str(refused.value))

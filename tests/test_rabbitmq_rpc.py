"""The claims of chapter 5 about a question and its answer."""

from itertools import islice

import pika
import pytest
from brokers import rabbitmq as start_rabbitmq
from brokers.rabbitmq_node import rabbitmqctl
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from pika import BasicProperties
from pika.exceptions import ChannelClosedByBroker, NackError, UnroutableError
from rabbitmq_patterns import (
    rpc_call_kafka,
    rpc_call_rabbitmq,
    rpc_direct_reply_rabbitmq,
    rpc_late_reply_kafka,
    rpc_late_reply_rabbitmq,
    rpc_timeout_kafka,
    rpc_timeout_rabbitmq,
)
from waiting import until

REPLY_TO = "amq.rabbitmq.reply-to"
QUORUM = {"x-queue-type": "quorum"}


@pytest.fixture
def requests(channel, queue):
    """The name of the queue of the price service."""
    channel.queue_declare(queue, durable=True, arguments=QUORUM)
    return queue


@pytest.fixture
def producer(kafka):
    with KafkaProducer(bootstrap_servers=kafka) as producer:
        yield producer


def listen(channel):
    """Wait for direct replies on the channel; return the list that takes them."""
    answers = []
    channel.basic_consume(REPLY_TO, lambda *each: answers.append(each), auto_ack=True)
    return answers


def take(channel, queue):
    """Return the properties of the next request, and leave it unacknowledged."""
    return next(channel.consume(queue, inactivity_timeout=10))[1]


# The correlation id finds the question.


@pytest.mark.parametrize(
    ("program", "broker", "more"),
    [
        (rpc_call_kafka, "kafka", "answers read: 3\n"),
        (rpc_call_rabbitmq, "rabbitmq", ""),
    ],
    ids=["kafka", "rabbitmq"],
)
def test_answers_in_another_order_find_their_questions(
    program, broker, more, request, topic, capsys
):
    program.main(request.getfixturevalue(broker), topic)
    assert capsys.readouterr().out == (
        "asked for: ['a lamp', 'two books']\n"
        "answered: {'two books': '24', 'a lamp': '20'}\n" + more
    )


def test_two_questions_with_one_correlation_id_cannot_be_told_apart(channel, requests):
    replies = channel.queue_declare("", exclusive=True).method.queue
    same = BasicProperties(reply_to=replies, correlation_id="1")
    channel.basic_publish("", requests, b"a lamp", same)
    channel.basic_publish("", requests, b"two books", same)
    rpc_call_rabbitmq.answer(channel.connection.channel(), requests, 2)
    answers = channel.consume(replies, auto_ack=True, inactivity_timeout=10)
    price_of_the_lamp = rpc_late_reply_rabbitmq.take_own(answers, "1")
    assert price_of_the_lamp == rpc_call_rabbitmq.PRICES["two books"]


def test_service_that_dies_before_its_acknowledgement_answers_twice(
    new_channel, channel, requests
):
    replies = channel.queue_declare("", exclusive=True).method.queue
    asked = rpc_call_rabbitmq.ask(channel, requests, replies, "a lamp")
    service = new_channel()
    properties = BasicProperties(correlation_id=take(service, requests).correlation_id)
    service.basic_publish("", replies, b"20", properties)
    service.connection.close()
    rpc_call_rabbitmq.answer(new_channel(), requests, 1)
    answers = channel.consume(replies, auto_ack=True, inactivity_timeout=10)
    ids = [properties.correlation_id for _, properties, _ in islice(answers, 2)]
    assert ids == [asked, asked]


def test_kafka_reader_at_the_end_gets_no_answers_of_yesterday(kafka, topic, producer):
    producer.send(topic, b"of yesterday").get(timeout=10)
    with rpc_call_kafka.read(kafka, topic) as answers:
        producer.send(topic, b"of today").get(timeout=10)
        assert next(answers).value == b"of today"


def test_kafka_reader_that_finds_the_end_too_late_misses_the_answer(
    kafka, topic, producer
):
    rpc_call_kafka.create(kafka, topic)
    with KafkaConsumer(bootstrap_servers=kafka, consumer_timeout_ms=3000) as answers:
        answers.assign([TopicPartition(topic, 0)])
        answers.seek_to_end()  # Only a wish: the broker is asked when it is needed.
        producer.send(topic, b"the answer").get(timeout=10)
        assert list(answers) == []


# An exclusive reply queue goes with its client.


@pytest.fixture
def abandoned(new_channel, channel):
    """The name of a reply queue that has gone with its client."""
    shop = new_channel()
    replies = shop.queue_declare("", exclusive=True).method.queue
    shop.connection.close()
    # An answer that comes while the queue is being deleted may be refused (a nack).
    is_there = rpc_direct_reply_rabbitmq.is_there
    assert until(lambda: not is_there(channel.connection, replies), 10)
    return replies


def test_rabbitmq_reply_queue_goes_with_its_client(channel, abandoned):
    with pytest.raises(ChannelClosedByBroker, match="NOT_FOUND"):
        channel.queue_declare(abandoned, passive=True)


def test_rabbitmq_confirms_an_answer_to_a_reply_queue_that_is_gone(channel, abandoned):
    channel.basic_publish("", abandoned, b"20")  # Raises nothing.


def test_rabbitmq_returns_a_mandatory_answer_to_a_reply_queue_that_is_gone(
    channel, abandoned
):
    with pytest.raises(UnroutableError):
        channel.basic_publish("", abandoned, b"20", mandatory=True)


def test_rabbitmq_may_refuse_an_answer_while_the_reply_queue_is_being_deleted(
    new_channel, channel
):
    def refused():
        shop = new_channel()
        replies = shop.queue_declare("", exclusive=True).method.queue
        shop.connection.close()
        try:
            channel.basic_publish("", replies, b"20")
        except NackError:
            return True
        return False

    assert until(refused, 30)


def test_rabbitmq_lets_nobody_else_read_an_exclusive_reply_queue(new_channel, channel):
    replies = channel.queue_declare("", exclusive=True).method.queue
    with pytest.raises(ChannelClosedByBroker, match="RESOURCE_LOCKED"):
        new_channel().basic_get(replies)


def test_rabbitmq_quorum_queue_cannot_be_exclusive(channel, queue):
    with pytest.raises(ChannelClosedByBroker, match="invalid property 'exclusive"):
        channel.queue_declare(queue, durable=True, exclusive=True, arguments=QUORUM)


# Direct reply-to.


def test_rabbitmq_direct_reply_comes_and_a_service_sees_who_has_gone(
    rabbitmq, queue, capsys
):
    rpc_direct_reply_rabbitmq.main(rabbitmq, queue)
    assert capsys.readouterr().out == (
        "a lamp costs 20\n"
        "the service sees the shop: True\n"
        "the shop has gone, and the broker confirmed the next answer\n"
        "the service sees the shop: False\n"
    )


def test_rabbitmq_direct_reply_makes_no_queue(queue):
    with (
        start_rabbitmq() as broker,
        pika.BlockingConnection(pika.URLParameters(broker.address)) as connection,
    ):
        channel = connection.channel()
        channel.queue_declare(queue, durable=True, arguments=QUORUM)
        rpc_direct_reply_rabbitmq.ask(channel, queue, "a lamp")
        listed = rabbitmqctl(
            broker.nodes[0], "list_queues", "--no-table-headers", "name"
        )
        assert listed.split() == [queue]


def test_rabbitmq_direct_reply_must_be_consumed_without_acknowledgements(channel):
    with pytest.raises(ChannelClosedByBroker, match=r"406.*cannot acknowledge"):
        channel.basic_consume(REPLY_TO, print)


def test_rabbitmq_direct_reply_must_be_consumed_before_the_request(channel, requests):
    with pytest.raises(ChannelClosedByBroker, match=r"406.*consumer does not exist"):
        channel.basic_publish("", requests, b"", BasicProperties(reply_to=REPLY_TO))


def test_rabbitmq_direct_reply_must_be_consumed_on_the_channel_of_the_request(
    channel, requests
):
    listen(channel.connection.channel())
    with pytest.raises(ChannelClosedByBroker, match=r"406.*consumer does not exist"):
        channel.basic_publish("", requests, b"", BasicProperties(reply_to=REPLY_TO))


def test_rabbitmq_has_one_consumer_of_direct_replies_for_each_channel(channel):
    listen(channel)
    with pytest.raises(ChannelClosedByBroker, match=r"406.*already set"):
        listen(channel)


def test_rabbitmq_does_not_return_a_mandatory_direct_reply_to_nobody(
    new_channel, channel, requests
):
    shop = new_channel()
    rpc_direct_reply_rabbitmq.ask(shop, requests, "a lamp")
    address = take(channel, requests).reply_to
    shop.connection.close()
    channel.basic_publish("", address, b"20", mandatory=True)  # Raises nothing.


def test_rabbitmq_brings_a_direct_reply_only_to_the_channel_that_asked(
    new_channel, channel, requests
):
    shop = new_channel()
    first, second = shop, shop.connection.channel()
    not_asked, asked = listen(first), listen(second)
    second.basic_publish("", requests, b"", BasicProperties(reply_to=REPLY_TO))
    channel.basic_publish("", take(channel, requests).reply_to, b"20")
    assert until(lambda: shop.connection.process_data_events(0) or asked, 10)
    assert not_asked == []


# Time-outs.


@pytest.mark.parametrize(
    ("program", "broker", "more"),
    [
        (rpc_timeout_kafka, "kafka", "the service leaves out a lamp\n"),
        (rpc_timeout_rabbitmq, "rabbitmq", ""),
    ],
    ids=["kafka", "rabbitmq"],
)
def test_no_work_is_done_for_a_client_that_has_given_up(
    program, broker, more, request, topic, capsys
):
    program.main(request.getfixturevalue(broker), topic)
    assert capsys.readouterr().out == (
        f"a lamp: no answer in time\n{more}"
        "the service works on two books\n"
        "two books: 24\n"
    )


def test_rabbitmq_service_works_for_nobody_if_the_request_does_not_expire(
    new_channel, channel, requests, capsys
):
    shop = new_channel()
    replies = shop.queue_declare("", exclusive=True).method.queue
    rpc_call_rabbitmq.ask(shop, requests, replies, "a lamp")
    shop.connection.close()
    rpc_timeout_rabbitmq.work_off(channel, requests)
    assert capsys.readouterr().out == "the service works on a lamp\n"


def test_rabbitmq_takes_an_expiration_in_whole_milliseconds_only(channel, requests):
    with pytest.raises(ChannelClosedByBroker, match=r"406.*invalid expiration"):
        channel.basic_publish("", requests, b"", BasicProperties(expiration="1.5"))


@pytest.mark.parametrize(
    ("program", "broker"),
    [(rpc_late_reply_kafka, "kafka"), (rpc_late_reply_rabbitmq, "rabbitmq")],
    ids=["kafka", "rabbitmq"],
)
def test_late_answer_is_taken_for_the_next_unless_its_id_is_looked_at(
    program, broker, request, topic, capsys
):
    program.main(request.getfixturevalue(broker), topic)
    assert capsys.readouterr().out == (
        "take_first:\n  a lamp: no answer in time\n  two books: 20\n"
        "take_own:\n  a lamp: no answer in time\n"
        "  dropped a late answer: 20\n  two books: 24\n"
    )

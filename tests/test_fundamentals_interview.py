"""The claims of the interview of chapter 1 that no program of the chapter shows."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from multiprocessing import get_context

import pika
import pytest
from brokers import kafka as start_kafka
from brokers import rabbitmq as start_rabbitmq
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaTimeoutError, OffsetOutOfRangeError
from pika.exceptions import (
    AMQPConnectionError,
    ChannelClosedByBroker,
    NackError,
    UnroutableError,
)
from pika.spec import BasicProperties
from waiting import until


def declare(channel, queue, **arguments):
    arguments = {each.replace("_", "-"): value for each, value in arguments.items()}
    return channel.queue_declare(
        queue, durable=True, arguments={"x-queue-type": "quorum", **arguments}
    )


def publish(channel, queue, last):
    """Publish the messages 1 to `last`."""
    for number in range(1, last + 1):
        channel.basic_publish("", queue, str(number).encode())


def take(channel, queue, limit=None, prefetch=0, wait=1):
    """Return `limit` deliveries, or those until none has come for `wait` seconds.

    Each is (delivery tag, body, redelivered). None is acknowledged.
    """
    channel.basic_qos(prefetch_count=prefetch)
    taken = []
    for method, _, body in channel.consume(queue, inactivity_timeout=wait):
        if method is None:
            return taken
        taken.append((method.delivery_tag, body.decode(), method.redelivered))
        if len(taken) == limit:
            return taken


def bodies(taken):
    return [body for _, body, _ in taken]


def create_topic(bootstrap, topic, partitions):
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics(
            {topic: {"num_partitions": partitions}}, wait_for_metadata=True
        )


def send(bootstrap, topic, last):
    """Send the records 1 to `last` to partition 0."""
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for number in range(1, last + 1):
            producer.send(topic, str(number).encode(), partition=0).get(timeout=10)


@contextmanager
def member(bootstrap, topic, **settings):
    """A member of the topic's group, which commits only when it is told to."""
    usual = {
        "group_id": topic,
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
    }
    consumer = KafkaConsumer(topic, bootstrap_servers=bootstrap, **(usual | settings))
    try:
        # A member that is to deal out partitions must have heard of them.
        consumer.partitions_for_topic(topic)
        yield consumer
    finally:
        consumer.close()


def read(consumer, limit, seconds=20):
    """Return the next values: `limit` of them, or those that came in `seconds`."""
    deadline = time.monotonic() + seconds
    values = []
    while len(values) < limit and time.monotonic() < deadline:
        polled = consumer.poll(timeout_ms=100, max_records=limit - len(values))
        values += [
            each.value.decode() for records in polled.values() for each in records
        ]
    return values


# The producer's view: what an acknowledgement says, and what its absence does not say.


@contextmanager
def frozen(broker):
    broker.pause()
    try:
        yield
    finally:
        broker.resume()


def first_in_doubt(send, error):
    """Send 1, 2, 3 … and return the number of the first one that ends with `error`.

    A broker that is frozen may still answer one or two before it stands still.
    """
    for number in count(1):
        try:
            send(str(number).encode())
        except error:
            return number


def test_kafka_may_have_a_record_whose_producer_was_told_of_a_time_out(topic):
    with start_kafka() as broker:
        producer = KafkaProducer(
            bootstrap_servers=broker.address,
            delivery_timeout_ms=3000,
            request_timeout_ms=2000,
        )
        producer.partitions_for(topic)
        with frozen(broker):
            in_doubt = first_in_doubt(
                lambda value: producer.send(topic, value).get(timeout=10),
                KafkaTimeoutError,
            )
        producer.close()
        with member(broker.address, topic) as consumer:
            assert read(consumer, in_doubt)[-1] == str(in_doubt)


def has_what_is_in_doubt(broker, queue):
    """Freeze the broker under a publisher; tell whether it has what was given up."""
    parameters = pika.URLParameters(broker.address + "?heartbeat=2")
    channel = pika.BlockingConnection(parameters).channel()
    channel.confirm_delivery()
    declare(channel, queue)
    with frozen(broker):
        in_doubt = first_in_doubt(
            lambda body: channel.basic_publish("", queue, body), AMQPConnectionError
        )
    with pika.BlockingConnection(pika.URLParameters(broker.address)) as connection:
        kept = take(connection.channel(), queue, in_doubt, wait=10)
        return str(in_doubt) in bodies(kept)


def test_rabbitmq_may_have_a_message_whose_producer_gave_up(queue):
    # Once in a while the closing of the connection takes the message with it.
    with start_rabbitmq() as broker:
        assert any(has_what_is_in_doubt(broker, f"{queue}-{n}") for n in range(3))


def test_kafka_takes_a_second_send_of_the_program_for_a_second_record(kafka, topic):
    with KafkaProducer(bootstrap_servers=kafka, enable_idempotence=True) as producer:
        for _ in range(2):
            producer.send(topic, b"order 1").get(timeout=10)
    with member(kafka, topic) as consumer:
        assert read(consumer, 2) == ["order 1", "order 1"]


def test_rabbitmq_confirms_a_message_that_no_queue_takes(channel):
    channel.basic_publish("amq.fanout", "", b"for nobody")  # No NackError, no return.
    with pytest.raises(UnroutableError):
        channel.basic_publish("amq.fanout", "", b"for nobody", mandatory=True)


# The consumer's view: what an acknowledgement covers.


def test_kafka_commit_covers_every_record_before_it(kafka, topic):
    send(kafka, topic, 4)
    with member(kafka, topic) as first:
        assert read(first, 3) == ["1", "2", "3"]
        first.commit()  # Whether or not the work on 1 and 2 was done.
    with member(kafka, topic) as second:
        assert read(second, 1) == ["4"]


def take_one_and_wait(url, queue, prefetch, acknowledged):
    """Take one message, acknowledge it, and stay until somebody ends the process."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        ((tag, _, _),) = take(channel, queue, limit=1, prefetch=prefetch)
        channel.basic_ack(tag)
        channel.queue_declare(queue, passive=True)  # Answered after the one before.
        acknowledged.set()
        connection.sleep(60)


def test_rabbitmq_gives_back_each_message_that_was_prefetched_and_not_acknowledged(
    rabbitmq, new_channel, queue
):
    channel = new_channel()
    declare(channel, queue)
    publish(channel, queue, 10)
    spawn = get_context("spawn")
    acknowledged = spawn.Event()
    arguments = (rabbitmq, queue, 10, acknowledged)
    worker = spawn.Process(target=take_one_and_wait, args=arguments)
    worker.start()
    assert acknowledged.wait(30)
    # And the other nine are with it.
    assert until(
        lambda: not channel.queue_declare(queue, passive=True).method.message_count
    )
    worker.kill()
    worker.join(10)
    again = take(channel, queue)
    assert bodies(again) == ["2", "3", "4", "5", "6", "7", "8", "9", "10"]
    assert all(redelivered for *_, redelivered in again)  # The program saw one of ten.


def test_rabbitmq_closes_the_channel_of_who_publishes_to_no_exchange(channel):
    with pytest.raises(ChannelClosedByBroker, match="404"):
        channel.basic_publish("no-such-exchange", "orders", b"order 1")


def test_rabbitmq_gives_a_returned_message_after_those_that_went_out_before(
    channel, queue
):
    declare(channel, queue)
    publish(channel, queue, 3)
    one, _ = take(channel, queue, limit=2, prefetch=2)
    channel.basic_nack(one[0], requeue=True)
    assert bodies(take(channel, queue)) == ["1"]  # After 2, and before 3.


# What the depth and the lag count.


def test_rabbitmq_ready_messages_are_those_that_no_consumer_has(new_channel, queue):
    worker = new_channel()
    declare(worker, queue)
    publish(worker, queue, 10)
    take(worker, queue, limit=10, prefetch=10)
    depth = new_channel().queue_declare(queue, passive=True).method.message_count
    assert depth == 0  # And no order is done.


def test_kafka_lag_counts_what_was_read_and_not_committed(kafka, topic):
    send(kafka, topic, 10)
    partition = TopicPartition(topic, 0)
    with member(kafka, topic) as consumer:
        read(consumer, 10)
        assert consumer.committed(partition) is None
        consumer.commit()
        assert (
            consumer.committed(partition)
            == consumer.end_offsets([partition])[partition]
        )


# Scaling: prefetch and partitions.


def test_rabbitmq_prefetch_lets_one_worker_hold_what_another_could_do(
    new_channel, queue
):
    busy = new_channel()
    declare(busy, queue)
    publish(busy, queue, 10)
    assert len(take(busy, queue, limit=10, prefetch=100)) == 10
    assert take(new_channel(), queue, prefetch=100) == []  # The second worker is idle.


def partitions_of(bootstrap, topic, keys):
    """Send a record for each key; return the partition that each went to."""
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        return [
            producer.send(topic, b"step", key=key).get(timeout=10).partition
            for key in keys
        ]


def test_kafka_sends_keys_elsewhere_when_partitions_are_added(kafka, topic):
    keys = [f"order {number}".encode() for number in range(20)]
    create_topic(kafka, topic, partitions=2)
    before = partitions_of(kafka, topic, keys)
    assert partitions_of(kafka, topic, keys) == before
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        admin.create_partitions({topic: 3})
    deadline = time.monotonic() + 20
    after = before
    while 2 not in after and time.monotonic() < deadline:
        after = partitions_of(kafka, topic, keys)
    assert 2 in after  # These keys have their earlier records in another partition.


# A full broker.


def test_rabbitmq_full_queue_drops_the_oldest_unless_told_otherwise(channel, queue):
    declare(channel, queue, x_max_length=3)
    publish(channel, queue, 5)  # Each is confirmed.
    assert bodies(take(channel, queue)) == ["3", "4", "5"]


def test_rabbitmq_full_queue_refuses_the_newest_when_told_to(channel, queue):
    declare(channel, queue, x_max_length=3, x_overflow="reject-publish")
    with pytest.raises(NackError):  # A quorum queue may take a few more than its limit.
        publish(channel, queue, 20)
    assert bodies(take(channel, queue))[:3] == ["1", "2", "3"]


def test_rabbitmq_does_not_deliver_a_message_after_its_time(channel, queue):
    declare(channel, queue)
    channel.basic_publish("", queue, b"too late", BasicProperties(expiration="1"))
    channel.basic_publish("", queue, b"in time", BasicProperties(expiration="60000"))
    deadline = time.monotonic() + 10
    while (
        declare(channel, queue).method.message_count > 1 and time.monotonic() < deadline
    ):
        pass
    assert bodies(take(channel, queue)) == ["in time"]


@pytest.mark.parametrize(("reset", "next_read"), [("earliest", ["4"]), ("latest", [])])
def test_kafka_group_behind_retention_jumps_without_an_error(
    kafka, topic, reset, next_read
):
    with fallen_behind_retention(kafka, topic, reset) as consumer:
        assert read(consumer, 1, seconds=5) == next_read


def test_kafka_group_behind_retention_is_told_if_it_asked_for_that(kafka, topic):
    with (
        fallen_behind_retention(kafka, topic, "none") as consumer,
        pytest.raises(OffsetOutOfRangeError),
    ):
        read(consumer, 1, seconds=5)


@contextmanager
def fallen_behind_retention(bootstrap, topic, reset):
    """A member whose group has done record 1 of 5 when 2 and 3 are deleted."""
    send(bootstrap, topic, 5)
    with member(bootstrap, topic) as consumer:
        read(consumer, 1)
        consumer.commit()
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.delete_records({TopicPartition(topic, 0): 3})
    with member(bootstrap, topic, auto_offset_reset=reset) as consumer:
        yield consumer


# A consumer goes away: when does somebody else get its message?


def test_kafka_member_that_leaves_hands_over_by_the_next_heartbeat(kafka, topic):
    create_topic(kafka, topic, 2)
    with (
        member(kafka, topic, session_timeout_ms=30000) as first,
        member(kafka, topic, session_timeout_ms=30000) as second,
        ThreadPoolExecutor(2) as threads,
    ):
        both = (first, second)
        list(threads.map(lambda each: share_out(each, both), both))
        first.close()
        left = time.monotonic()
        while len(second.assignment()) != 2:
            assert time.monotonic() - left < 10  # The session is 30 seconds long.
            second.poll(timeout_ms=100)


def share_out(consumer, members):
    """Poll until each of two members has one partition."""
    deadline = time.monotonic() + 30
    while any(len(each.assignment()) != 1 for each in members):
        assert time.monotonic() < deadline
        consumer.poll(timeout_ms=100)


def test_kafka_member_that_does_not_poll_loses_its_partition(kafka, topic):
    send(kafka, topic, 1)
    with (
        member(
            kafka, topic, max_poll_interval_ms=6000, session_timeout_ms=30000
        ) as stuck,
        member(
            kafka, topic, max_poll_interval_ms=6000, session_timeout_ms=30000
        ) as second,
    ):
        assert read(stuck, 1) == ["1"]
        polled = time.monotonic()
        assert read(second, 1, seconds=20) == ["1"]
        assert 4 < time.monotonic() - polled < 15


def test_kafka_newcomer_waits_for_a_busy_member_to_poll(kafka, topic):
    create_topic(kafka, topic, partitions=2)
    send(kafka, topic, 1)
    with (
        member(kafka, topic, session_timeout_ms=6000) as busy,
        member(kafka, topic, session_timeout_ms=6000) as newcomer,
    ):
        assert read(busy, 1) == ["1"]
        assert read(newcomer, 1, seconds=8) == []  # Longer than the session timeout.
        assert newcomer.assignment() == set()
        deadline = time.monotonic() + 20
        while not newcomer.assignment() and time.monotonic() < deadline:
            busy.poll(timeout_ms=50)
            newcomer.poll(timeout_ms=50)
        assert len(newcomer.assignment()) == 1


def hold(url, queue, holding):
    """Take a message and keep it, with the connection alive, for good."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        take(connection.channel(), queue, limit=1, prefetch=1)
        holding.set()
        while True:
            connection.process_data_events(time_limit=60)


def test_rabbitmq_drops_a_silent_client_after_two_to_three_heartbeat_timeouts(
    rabbitmq, new_channel, queue
):
    heartbeat = 2
    channel = new_channel()
    declare(channel, queue)
    publish(channel, queue, 1)
    context = get_context("spawn")
    holding = context.Event()
    url = f"{rabbitmq}?heartbeat={heartbeat}"
    worker = context.Process(target=hold, args=(url, queue, holding))
    worker.start()
    try:
        assert holding.wait(30)
        # As when its machine is gone: silence, and nobody closes the connection.
        os.kill(worker.pid, signal.SIGSTOP)
        stopped = time.monotonic()
        assert len(take(channel, queue, limit=1, wait=20)) == 1
        waited = time.monotonic() - stopped
    finally:
        worker.kill()
        worker.join(10)
    # The last sign of life was up to half a timeout before the stop.
    assert 1.5 * heartbeat - 0.2 < waited < 3 * heartbeat + 2


def test_rabbitmq_leaves_a_message_with_a_stuck_consumer_until_the_consumer_timeout(
    new_channel, queue
):
    stuck, other = new_channel(), new_channel()
    declare(stuck, queue, x_consumer_timeout=4000)
    publish(stuck, queue, 1)
    taken_at = time.monotonic()
    assert len(take(stuck, queue, limit=1)) == 1
    assert take(other, queue, wait=2) == []
    assert len(take(other, queue, limit=1, wait=30)) == 1
    assert time.monotonic() - taken_at > 3.5


# A message that fails every time.


def test_kafka_group_stands_before_a_record_that_fails(kafka, topic):
    send(kafka, topic, 3)
    for _ in range(3):  # Each worker gives up without a commit.
        with member(kafka, topic) as worker:
            assert read(worker, 1) == ["1"]


def test_rabbitmq_quorum_queue_drops_a_message_after_twenty_failed_redeliveries(
    channel, queue
):
    declare(channel, queue)
    publish(channel, queue, 2)
    channel.basic_qos(prefetch_count=1)
    seen = []
    for method, _, body in channel.consume(queue, inactivity_timeout=2):
        seen.append(body.decode())
        if body != b"1":
            break
        channel.basic_reject(method.delivery_tag, requeue=True)
    assert seen == ["1"] * 21 + ["2"]  # The second message waited all the time.


def test_rabbitmq_counts_a_death_for_every_message_that_the_worker_held(
    new_channel, queue
):
    declare(new_channel(), queue)
    publish(new_channel(), queue, 10)
    for _ in range(21):
        worker = new_channel()
        assert len(take(worker, queue, limit=10, prefetch=10)) == 10
        worker.connection.close()
    assert take(new_channel(), queue, wait=2) == []  # All ten, whichever was to blame.


def test_rabbitmq_quorum_queue_redelivers_a_nacked_message_without_end(channel, queue):
    declare(channel, queue)
    publish(channel, queue, 1)
    for _ in range(50):
        ((tag, body, _),) = take(channel, queue, limit=1)
        assert body == "1"
        channel.basic_nack(tag, requeue=True)


# A request and its answer.

REPLY_TO = "amq.rabbitmq.reply-to"


def ask(channel, queue, order):
    """Ask for an order to be paid; return what will bring the answer."""
    answers = channel.consume(REPLY_TO, auto_ack=True, inactivity_timeout=10)
    # RabbitMQ refuses a reply-to address that nobody listens on yet.
    next(channel.consume(REPLY_TO, auto_ack=True, inactivity_timeout=0.1))
    request = BasicProperties(reply_to=REPLY_TO, correlation_id=order)
    channel.basic_publish("", queue, b"pay 20", request)
    return answers


def answer(channel, queue):
    """Take one request and answer it to wherever it says."""
    method, asked, _ = next(channel.consume(queue, inactivity_timeout=10))
    properties = BasicProperties(correlation_id=asked.correlation_id)
    channel.basic_publish("", asked.reply_to, b"paid", properties)
    channel.basic_ack(method.delivery_tag)


def test_rabbitmq_brings_an_answer_back_without_a_queue_for_it(new_channel, queue):
    service, shop = new_channel(), new_channel()
    declare(service, queue)
    answers = ask(shop, queue, "order 7")
    answer(service, queue)
    _, properties, body = next(answers)
    assert (properties.correlation_id, body) == ("order 7", b"paid")


def test_rabbitmq_confirms_an_answer_to_somebody_who_is_gone(new_channel, queue):
    service, shop = new_channel(), new_channel()
    declare(service, queue)
    ask(shop, queue, "order 7")
    shop.connection.close()
    answer(service, queue)  # No error: the answer is dropped.

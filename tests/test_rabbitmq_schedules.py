"""The claims of chapter 5 about priorities, work for later and claim checks."""

import time
from itertools import islice

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from pika import BasicProperties
from pika.exceptions import ChannelClosedByBroker
from rabbitmq_patterns import (
    claim_check_kafka,
    claim_check_rabbitmq,
    delayed_work_kafka,
    delayed_work_rabbitmq,
    prefetch_defeats_priority_kafka,
    prefetch_defeats_priority_rabbitmq,
    priority_first_kafka,
    priority_first_rabbitmq,
    priority_starves_kafka,
    priority_starves_rabbitmq,
)
from waiting import until

CLASSIC = {"x-queue-type": "classic"}
QUORUM = {"x-queue-type": "quorum"}
UP_TO_FIVE = {"x-max-priority": 5}
BOTH = pytest.mark.parametrize(
    "arguments", [QUORUM, UP_TO_FIVE], ids=["quorum", "classic"]
)


def declare(channel, queue, arguments, **more):
    more = {f"x_{name}".replace("_", "-"): value for name, value in more.items()}
    channel.queue_declare(queue, durable=True, arguments={**arguments, **more})
    return queue


def publish(channel, queue, *priorities):
    """Send a message for each priority, with that priority as its body."""
    for each in priorities:
        properties = BasicProperties(priority=each)
        channel.basic_publish("", queue, str(each).encode(), properties)


def take(channel, queue, count):
    """Take `count` messages one by one; return each as it came."""
    channel.basic_qos(prefetch_count=1)
    taken = []
    for message in islice(channel.consume(queue, inactivity_timeout=10), count):
        taken.append(message)
        channel.basic_ack(message[0].delivery_tag)
    channel.cancel()
    return taken


def bodies(messages):
    return [body.decode() for _, _, body in messages]


# Priorities.


@pytest.mark.parametrize(
    ("program", "broker", "printed"),
    [
        (priority_first_kafka, "kafka", "two topics: [4, 6, 1, 2, 3, 5, 7]\n"),
        (
            priority_first_rabbitmq,
            "rabbitmq",
            "quorum queue: [4, 6, 1, 2, 3, 5, 7]\n"
            "classic queue with x-max-priority: [4, 6, 1, 2, 3, 5, 7]\n"
            "classic queue without it: [1, 2, 3, 4, 5, 6, 7]\n",
        ),
    ],
    ids=["kafka", "rabbitmq"],
)
def test_urgent_orders_overtake_those_that_wait_and_keep_their_order(
    program, broker, printed, request, topic, capsys
):
    program.main(request.getfixturevalue(broker), topic)
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize(
    ("program", "broker", "kinds"),
    [
        (priority_starves_kafka, "kafka", ["two topics"]),
        (
            priority_starves_rabbitmq,
            "rabbitmq",
            ["quorum queue", "classic queue with x-max-priority"],
        ),
    ],
    ids=["kafka", "rabbitmq"],
)
def test_ordinary_order_waits_as_long_as_urgent_ones_come(
    program, broker, kinds, request, topic, capsys
):
    program.main(request.getfixturevalue(broker), topic)
    last = "200 urgent orders, the ordinary one was number 201"
    assert capsys.readouterr().out.splitlines() == [f"{kind}: {last}" for kind in kinds]


@pytest.mark.parametrize(
    ("program", "broker"),
    [
        (prefetch_defeats_priority_kafka, "kafka"),
        (prefetch_defeats_priority_rabbitmq, "rabbitmq"),
    ],
    ids=["kafka", "rabbitmq"],
)
def test_urgent_order_comes_behind_what_the_consumer_holds(
    program, broker, request, topic, capsys
):
    program.main(request.getfixturevalue(broker), topic)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[2] for line in lines] == [
        f"the urgent order was number {place}" for place in (2, 11, 21)
    ]


def test_rabbitmq_quorum_queue_counts_a_priority_above_31_as_31(channel, queue):
    declare(channel, queue, QUORUM)
    publish(channel, queue, 30, 31, 255, 31, 32)
    assert bodies(take(channel, queue, 5)) == ["31", "255", "31", "32", "30"]


def test_rabbitmq_quorum_queue_takes_a_message_without_priority_for_4(channel, queue):
    declare(channel, queue, QUORUM)
    publish(channel, queue, 3, None, 4, None, 5)
    assert bodies(take(channel, queue, 5)) == ["5", "None", "4", "None", "3"]


def test_rabbitmq_classic_queue_takes_a_message_without_priority_for_0(channel, queue):
    declare(channel, queue, UP_TO_FIVE)
    publish(channel, queue, 0, None, 0, None, 1)
    assert bodies(take(channel, queue, 5)) == ["1", "0", "None", "0", "None"]


def test_rabbitmq_classic_queue_counts_a_priority_above_its_highest_as_that(
    channel, queue
):
    declare(channel, queue, UP_TO_FIVE)
    publish(channel, queue, 4, 5, 255, 5, 6)
    assert bodies(take(channel, queue, 5)) == ["5", "255", "5", "6", "4"]


def test_rabbitmq_classic_queue_has_at_most_priority_255(channel, queue):
    declare(channel, queue, CLASSIC, max_priority=255)
    with pytest.raises(ChannelClosedByBroker, match=r"406.*max_value_exceeded"):
        declare(channel, f"{queue}-more", CLASSIC, max_priority=256)


def test_rabbitmq_quorum_queue_refuses_to_be_told_its_priorities(channel, queue):
    with pytest.raises(ChannelClosedByBroker, match=r"406.*x-max-priority"):
        declare(channel, queue, QUORUM, max_priority=5)


@pytest.mark.parametrize(
    ("arguments", "first"),
    [(QUORUM, "0"), (UP_TO_FIVE, "5")],
    ids=["quorum", "classic"],
)
def test_rabbitmq_returned_message_overtakes_urgent_ones_in_a_quorum_queue_only(
    channel, queue, arguments, first
):
    declare(channel, queue, arguments)
    publish(channel, queue, 0)
    method, _, _ = channel.basic_get(queue)
    publish(channel, queue, 5)
    channel.basic_nack(method.delivery_tag)
    assert bodies(take(channel, queue, 2))[0] == first


@BOTH
def test_rabbitmq_full_queue_drops_the_most_urgent_message_first(
    channel, queue, arguments
):
    declare(channel, queue, arguments, max_length=2)
    publish(channel, queue, 5, 1, 0)
    assert bodies(take(channel, queue, 2)) == ["1", "0"]


# Work for later.


@pytest.mark.parametrize(
    ("program", "broker"),
    [(delayed_work_kafka, "kafka"), (delayed_work_rabbitmq, "rabbitmq")],
    ids=["kafka", "rabbitmq"],
)
def test_work_for_later_comes_when_it_is_due_and_not_before(
    program, broker, request, topic, capsys
):
    program.main(request.getfixturevalue(broker), topic)
    assert capsys.readouterr().out.splitlines()[2:] == [
        "came: the mail after 1 s, not before its time",
        "came: the mail after 2 s, not before its time",
    ]


def wait_in(channel, queue, arguments):
    """Declare the queue, and one whose messages go to it when they have expired."""
    declare(channel, queue, QUORUM)
    to = {"dead_letter_exchange": "", "dead_letter_routing_key": queue}
    return declare(channel, f"{queue}-waiting", arguments, **to)


@pytest.mark.parametrize("arguments", [QUORUM, CLASSIC], ids=["quorum", "classic"])
def test_rabbitmq_short_delay_waits_behind_a_long_one_in_the_same_queue(
    channel, queue, arguments
):
    waiting = wait_in(channel, queue, arguments)
    sent = time.monotonic()
    for milliseconds in ("1500", "100"):
        properties = BasicProperties(expiration=milliseconds)
        channel.basic_publish("", waiting, milliseconds.encode(), properties)
    assert bodies(take(channel, queue, 2)) == ["1500", "100"]
    assert time.monotonic() - sent > 1.4


def test_rabbitmq_quorum_queue_expires_each_priority_by_itself(channel, queue):
    waiting = wait_in(channel, queue, QUORUM)
    for priority, milliseconds in ((4, "2000"), (5, "100"), (3, "100")):
        properties = BasicProperties(expiration=milliseconds, priority=priority)
        channel.basic_publish("", waiting, str(priority).encode(), properties)
    assert bodies(take(channel, queue, 3)) == ["5", "3", "4"]


def test_kafka_short_delay_waits_behind_a_long_one_in_the_same_topic(kafka, topic):
    now = int(time.time() * 1000)
    with KafkaProducer(bootstrap_servers=kafka) as producer:
        for order, due in ((b"due in 2 s", 2000), (b"due in 1 s", 1000)):
            producer.send(topic, order, timestamp_ms=now - 3000 + due).get(timeout=10)
    orders = delayed_work_kafka.receive(kafka, {topic: 3}, 2)
    assert [(order, time.time() * 1000 >= now + 2000) for order in orders] == [
        ("due in 2 s", True),
        ("due in 1 s", True),
    ]


def test_kafka_bare_commit_passes_a_record_that_waits(kafka, topic):
    with KafkaProducer(bootstrap_servers=kafka) as producer:
        producer.send(topic, b"due tomorrow").get(timeout=10)
    with KafkaConsumer(
        bootstrap_servers=kafka, group_id=topic, auto_offset_reset="earliest"
    ) as consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        next(consumer)
        consumer.pause(partition)
        consumer.commit()
        assert consumer.committed(partition) == 1


@pytest.mark.parametrize(
    ("more", "key"),
    [({}, "orders"), ({"dead_letter_routing_key": "late"}, "late")],
    ids=["kept", "replaced"],
)
def test_rabbitmq_dead_letter_keeps_its_routing_key_unless_told(
    channel, queue, more, key
):
    declare(channel, queue, QUORUM)
    for exchange in (f"{queue}-in", f"{queue}-out"):
        channel.exchange_declare(exchange, "fanout")
    channel.queue_bind(queue, f"{queue}-out")
    out = f"{queue}-out"
    waiting = declare(
        channel, f"{queue}-w", QUORUM, dead_letter_exchange=out, message_ttl=1, **more
    )
    channel.queue_bind(waiting, f"{queue}-in")
    channel.basic_publish(f"{queue}-in", "orders", b"")
    ((method, _, _),) = take(channel, queue, 1)
    assert method.routing_key == key


def test_rabbitmq_drops_what_would_expire_back_into_the_same_queue(channel, queue):
    # Without a new routing key the default exchange leads back to where it came from.
    declare(channel, queue, QUORUM, dead_letter_exchange="", message_ttl=100)
    channel.basic_publish("", queue, b"")

    def ready():
        return channel.queue_declare(queue, passive=True).method.message_count

    assert until(lambda: ready() == 0, 10)
    assert next(channel.consume(queue, inactivity_timeout=0.5)) == (None, None, None)


def test_rabbitmq_says_in_x_death_where_and_why_a_message_expired(channel, queue):
    waiting = wait_in(channel, queue, QUORUM)
    channel.basic_publish("", waiting, b"", BasicProperties(expiration="1"))
    ((_, properties, _),) = take(channel, queue, 1)
    (death,) = properties.headers["x-death"]
    death.pop("time")
    assert death == {
        "queue": waiting,
        "reason": "expired",
        "count": 1,
        "exchange": "",
        "routing-keys": [waiting],
        "original-expiration": "1",
    }


def test_rabbitmq_message_that_has_expired_once_does_not_expire_again(channel, queue):
    waiting = wait_in(channel, queue, QUORUM)
    channel.basic_publish("", waiting, b"", BasicProperties(expiration="1"))
    ((_, properties, _),) = take(channel, queue, 1)
    assert properties.expiration is None


def test_rabbitmq_delayed_retry_delays_what_is_returned_and_not_what_is_new(
    channel, queue
):
    delayed = {"delayed_retry_type": "all", "delayed_retry_min": 2000}
    declare(channel, queue, QUORUM, **delayed)
    sent = time.monotonic()
    channel.basic_publish("", queue, b"")
    orders = channel.consume(queue, inactivity_timeout=10)
    method, _, _ = next(orders)
    assert time.monotonic() - sent < 1.9
    returned = time.monotonic()
    channel.basic_nack(method.delivery_tag)
    next(orders)
    assert time.monotonic() - returned > 1.9


def test_rabbitmq_delayed_retry_does_not_grow_without_a_most(channel, queue):
    delayed = {"delayed_retry_type": "all", "delayed_retry_min": 500}
    declare(channel, queue, QUORUM, **delayed)
    channel.basic_publish("", queue, b"")
    orders, waits = channel.consume(queue, inactivity_timeout=10), []
    method, _, _ = next(orders)
    for _ in range(4):
        rejected = time.monotonic()
        channel.basic_reject(method.delivery_tag)
        method, _, _ = next(orders)
        waits.append(time.monotonic() - rejected)
    assert min(waits) > 0.45
    assert max(waits) < 1.9  # Growing, the last one would be 2 seconds.


def test_rabbitmq_delayed_retry_of_failed_orders_does_not_delay_a_nack(channel, queue):
    delayed = {"delayed_retry_type": "failed", "delayed_retry_min": 3000}
    declare(channel, queue, QUORUM, **delayed)
    channel.basic_publish("", queue, b"")
    orders, waits = channel.consume(queue, inactivity_timeout=10), []
    for give_back in (channel.basic_nack, channel.basic_reject):
        method, _, _ = next(orders)
        returned = time.monotonic()
        give_back(method.delivery_tag)
        method, _, _ = next(orders)
        waits.append(time.monotonic() - returned)
        channel.basic_nack(method.delivery_tag)
    assert waits[0] < 2.9 < waits[1]


def test_rabbitmq_does_not_know_the_delayed_exchange(channel, queue):
    direct = {"x-delayed-type": "direct"}
    with pytest.raises(ChannelClosedByBroker, match="unknown exchange type"):
        channel.exchange_declare(queue, "x-delayed-message", arguments=direct)


# The claim check.


@pytest.mark.parametrize(
    ("program", "broker"),
    [(claim_check_kafka, "kafka"), (claim_check_rabbitmq, "rabbitmq")],
    ids=["kafka", "rabbitmq"],
)
def test_claim_check_keeps_the_message_small_and_says_what_is_gone(
    program, broker, request, topic, capsys
):
    program.main(request.getfixturevalue(broker), topic)
    assert capsys.readouterr().out == (
        "order 7: message of 136 bytes\n"
        "order 8: message of 136 bytes\n"
        "order 7: label of 5000000 bytes, as checked in\n"
        "order 8: its label is no longer in the store\n"
    )


@pytest.mark.parametrize(
    "program", [claim_check_kafka, claim_check_rabbitmq], ids=["kafka", "rabbitmq"]
)
def test_claim_check_tells_an_object_that_was_changed(program, tmp_path):
    claim = program.check_in(tmp_path, b"to Paris")
    (tmp_path / claim["object"]).write_bytes(b"to Rome")
    with pytest.raises(ValueError, match="not what was checked in"):
        program.fetch(tmp_path, claim)


def test_rabbitmq_takes_16_mebibytes_and_not_a_byte_more(channel, queue):
    declare(channel, queue, CLASSIC)
    channel.basic_publish("", queue, bytes(16 * 1024 * 1024))
    with pytest.raises(ChannelClosedByBroker, match=r"406.*larger than"):
        channel.basic_publish("", queue, bytes(16 * 1024 * 1024 + 1))

"""The claims of chapter 5 about who gets which message: sharing work, subscribing,
routing, and the order of each customer.
"""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pika
import pytest
from brokers import kafka as start_kafka
from brokers import rabbitmq as start_rabbitmq
from brokers.kafka_node import java
from confluent_kafka import KafkaException, ShareConsumer
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import ConfigResource
from pika.exceptions import ChannelClosedByBroker
from rabbitmq_patterns import (
    adding_a_queue_moves_keys_rabbitmq,
    fair_dispatch_kafka,
    fair_dispatch_rabbitmq,
    order_per_customer_kafka,
    order_per_customer_rabbitmq,
    publish_subscribe_kafka,
    publish_subscribe_rabbitmq,
    round_robin_kafka,
    round_robin_rabbitmq,
    routing_by_severity_kafka,
    routing_by_severity_rabbitmq,
    topic_patterns_kafka,
    topic_patterns_rabbitmq,
)
from reading import stored
from waiting import until

KEYS = [f"customer-{number}" for number in range(400)]


@pytest.fixture(scope="module")
def own_kafka():
    """A Kafka node of its own, whose share groups notice new members sooner than the
    5 seconds that are the least by default.
    """
    settings = {
        "group.share.min.heartbeat.interval.ms": "100",
        "group.share.heartbeat.interval.ms": "100",
    }
    with start_kafka(settings=settings) as broker:
        yield broker.address


def printed_by(program, address, name, capsys):
    """Return the lines that the program prints."""
    program.main(address, name)
    return capsys.readouterr().out.splitlines()


# Work shared out beforehand, or when a worker asks.


@pytest.mark.parametrize(
    ("program", "broker"),
    [(round_robin_kafka, "kafka"), (round_robin_rabbitmq, "rabbitmq")],
    ids=["kafka", "rabbitmq"],
)
def test_dealt_out_beforehand_one_worker_gets_all_the_large_orders(
    program, broker, topic, request, capsys
):
    assert printed_by(program, request.getfixturevalue(broker), topic, capsys) == [
        "worker 1 packed large 1, large 3, large 5, large 7",
        "worker 2 packed small 2, small 4, small 6, small 8",
        "worker 2 was done before worker 1 had packed its second: True",
    ]


def test_rabbitmq_prefetch_of_one_shares_the_large_orders(rabbitmq, queue, capsys):
    assert printed_by(fair_dispatch_rabbitmq, rabbitmq, queue, capsys) == [
        "no limit:      large orders of each worker [0, 4]",
        "prefetch of 1: large orders of each worker [2, 2]",
    ]


def test_share_group_shares_the_large_orders_unless_they_came_in_one_batch(
    own_kafka, topic, capsys
):
    assert printed_by(fair_dispatch_kafka, own_kafka, topic, capsys) == [
        "sent in one batch: large orders of each worker [0, 4]",
        "sent one by one:   large orders of each worker [2, 2]",
    ]


def test_share_group_does_not_share_partitions_if_there_is_one_for_each_member(
    own_kafka, topic
):
    with KafkaAdminClient(bootstrap_servers=own_kafka) as admin:
        admin.create_topics({topic: {"num_partitions": 2}}, wait_for_metadata=True)
        earliest = {"share.auto.offset.reset": "earliest"}
        admin.alter_configs([ConfigResource("GROUP", topic, earliest)])
    options = {"bootstrap.servers": own_kafka, "group.id": topic, "max.poll.records": 1}
    with ExitStack() as members, KafkaProducer(bootstrap_servers=own_kafka) as producer:
        one, other = (ShareConsumer(options) for _ in range(2))
        for member in (one, other):
            members.callback(member.close)
            member.subscribe([topic])
        for number in range(20):
            producer.send(topic, b"", partition=number % 2).get(timeout=10)
        read = {one: [], other: []}

        def both_have_read_on():
            for member, places in read.items():
                places += [message.partition() for message in member.poll(1)]
            return all(len(places) >= 5 for places in read.values())

        assert until(both_have_read_on, 30)
        # The first to come may have read both, until the other one was there.
        assert {*read[one][-3:]} | {*read[other][-3:]} == {0, 1}
        assert len({*read[one][-3:]}) == len({*read[other][-3:]}) == 1


def test_share_consumer_of_librdkafka_cannot_ask_for_less_than_a_batch():
    options = {"bootstrap.servers": "localhost:9092", "group.id": "workers"}
    with pytest.raises(KafkaException, match="No such configuration property"):
        ShareConsumer({**options, "share.acquire.mode": "record_limit"})


def test_share_consumer_of_java_can_and_takes_batches_by_default():
    command = java("org.apache.kafka.clients.consumer.ConsumerConfig")
    page = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
    entry = page.partition('<a id="share.acquire.mode"></a>')[2]
    entry = entry.partition("</table>")[0]
    assert "<th>Default:</th><td>BATCH_OPTIMIZED</td>" in entry
    assert "[batch_optimized, record_limit]" in entry


# Durable and temporary subscribers.


@pytest.mark.parametrize(
    ("program", "broker", "names"),
    [
        (publish_subscribe_kafka, "kafka", ("a group", "no group")),
        (publish_subscribe_rabbitmq, "rabbitmq", ("durable", "temporary")),
    ],
    ids=["kafka", "rabbitmq"],
)
def test_temporary_subscriber_misses_what_comes_while_it_is_away(
    program, broker, names, topic, request, capsys
):
    lines = printed_by(program, request.getfixturevalue(broker), topic, capsys)
    billing, dashboard = f"billing, {names[0]}: ", f"dashboard, {names[1]}: "
    assert [" ".join(line.split()) for line in lines] == [
        f"{billing}['order 1 placed']",
        f"{dashboard}['order 1 placed']",
        "both were away when order 2 was placed",
        f"{billing}['order 2 placed', 'order 3 placed']",
        f"{dashboard}['order 3 placed']",
    ]


def test_kafka_keeps_what_the_reader_without_a_group_did_not_see(kafka, topic):
    publish_subscribe_kafka.create(kafka, topic)
    publish_subscribe_kafka.publish(kafka, topic, "order 1 placed")
    with publish_subscribe_kafka.subscribe(kafka, topic) as reader:
        assert publish_subscribe_kafka.read_all(reader) == []
        reader.seek_to_beginning()
        assert publish_subscribe_kafka.read_all(reader) == ["order 1 placed"]


def test_kafka_remembers_nothing_of_a_reader_without_a_group(kafka, topic):
    publish_subscribe_kafka.create(kafka, topic)
    for group in (f"{topic}-billing", None):
        publish_subscribe_kafka.subscribe(kafka, topic, group).close()
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        groups = [each["group_id"] for each in admin.list_groups()]
    assert [each for each in groups if each.startswith(topic)] == [f"{topic}-billing"]


def test_rabbitmq_names_a_queue_that_has_no_name(channel):
    queue = channel.queue_declare("", exclusive=True).method.queue
    assert queue.startswith("amq.gen-")


def test_rabbitmq_names_no_quorum_queue(channel):
    with pytest.raises(ChannelClosedByBroker, match="server-named") as refused:
        channel.queue_declare("", durable=True, arguments={"x-queue-type": "quorum"})
    assert refused.value.reply_code == 406


def test_rabbitmq_auto_delete_queue_goes_with_its_last_consumer(new_channel, queue):
    channel, other = new_channel(), new_channel()
    channel.queue_declare(queue, durable=True, auto_delete=True)
    tags = [channel.basic_consume(queue, lambda *_: None) for _ in range(2)]
    channel.basic_cancel(tags[0])
    other.queue_declare(queue, passive=True)
    channel.basic_cancel(tags[1])
    with pytest.raises(ChannelClosedByBroker, match="404"):
        other.queue_declare(queue, passive=True)


def test_rabbitmq_auto_delete_queue_stays_if_it_never_had_a_consumer(
    new_channel, queue
):
    channel = new_channel()
    channel.queue_declare(queue, durable=True, auto_delete=True)
    channel.basic_publish("", queue, b"an order")
    assert until(lambda: channel.basic_get(queue, auto_ack=True)[2], 10)
    channel.connection.close()
    new_channel().queue_declare(queue, passive=True)


# Routing.


@pytest.mark.parametrize(
    ("program", "broker", "sent"),
    [
        (routing_by_severity_kafka, "kafka", 6),
        (routing_by_severity_rabbitmq, "rabbitmq", 2),
    ],
    ids=["kafka-sends-all", "rabbitmq-sends-what-is-bound"],
)
def test_pager_gets_the_errors_alone(program, broker, sent, topic, request, capsys):
    assert printed_by(program, request.getfixturevalue(broker), topic, capsys) == [
        "pager:   payment 1 refused, shipment 2 lost",
        "journal: order 1 placed, payment 1 is late, payment 1 refused, "
        "order 2 placed, shipment 2 lost, order 3 placed",
        f"the pager was sent {sent} of 6 events",
    ]


def test_kafka_topic_for_each_severity_sends_the_pager_the_errors_alone(kafka, topic):
    with KafkaProducer(bootstrap_servers=kafka) as producer:
        for severity, event in routing_by_severity_kafka.EVENTS:
            name = f"{topic}-{severity}"
            producer.send(name, event.encode()).get(timeout=10)
    assert stored(kafka, f"{topic}-error") == [b"payment 1 refused", b"shipment 2 lost"]


@pytest.mark.parametrize(
    ("program", "broker"),
    [(topic_patterns_kafka, "kafka"), (topic_patterns_rabbitmq, "rabbitmq")],
    ids=["kafka", "rabbitmq"],
)
def test_patterns_get_these_keys(program, broker, topic, request, capsys):
    assert printed_by(program, request.getfixturevalue(broker), topic, capsys) == [
        "audit.# gets audit, audit.error, audit.order.error",
        "audit.* gets audit.error",
        "*.error gets audit.error, payment.error",
        "#.error gets audit.error, audit.order.error, error, payment.error",
    ]


def test_kafka_python_looks_for_the_pattern_at_the_beginning_of_the_name_only(
    kafka, topic
):
    topic_patterns_kafka.create(kafka, topic)
    with KafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest") as reader:
        reader.subscribe(pattern=rf"{topic}\.audit")  # Without the `$`.
        assert until(lambda: reader.poll(timeout_ms=100) or reader.subscription(), 20)
        names = ["audit", "audit.error", "audit.order.error"]
        assert sorted(reader.subscription()) == [f"{topic}.{each}" for each in names]


# The order of each customer.


@pytest.mark.parametrize(
    ("program", "broker"),
    [(order_per_customer_kafka, "kafka"), (order_per_customer_rabbitmq, "rabbitmq")],
    ids=["kafka", "rabbitmq"],
)
def test_order_of_each_customer_is_kept_when_a_worker_stops(
    program, broker, topic, request, capsys
):
    assert printed_by(program, request.getfixturevalue(broker), topic, capsys) == [
        "steps by the worker that stopped: 5, by others: 25",
        "lanes at work in the first half: 2",
        "order kept for 10 of 10 customers",
    ]


@pytest.mark.parametrize("kind", ["x-consistent-hash", "x-modulus-hash"])
def test_rabbitmq_keeps_the_order_of_each_customer_in_its_queue(
    rabbitmq, channel, queue, kind
):
    lanes, done = [f"{queue}-1", f"{queue}-2"], []
    order_per_customer_rabbitmq.create(channel, queue, lanes, kind)
    order_per_customer_rabbitmq.send_steps(channel, queue)
    with ThreadPoolExecutor(4) as threads:
        arguments = [(rabbitmq, lane, done) for lane in 2 * lanes]
        list(
            threads.map(lambda each: order_per_customer_rabbitmq.work(*each), arguments)
        )
    for customer in order_per_customer_rabbitmq.CUSTOMERS:
        steps = [step for _, name, step in done if name == customer]
        assert steps == order_per_customer_rabbitmq.STEPS
    assert {lane for lane, _, _ in done} == {*lanes}


def test_rabbitmq_fourth_queue_moves_a_part_of_the_keys_or_most(
    rabbitmq, queue, capsys
):
    assert printed_by(adding_a_queue_moves_keys_rabbitmq, rabbitmq, queue, capsys) == [
        "x-modulus-hash: 70 of 100 keys moved, 21 to the new queue",
        "  a customer was placed in queue 1, and paid in queue 2",
        "x-consistent-hash: 24 of 100 keys moved, 24 to the new queue",
        "  a customer was placed in queue 1, and paid in queue 4",
    ]


# What the exchanges that hash do.


def bind(channel, exchange, weights):
    """Bind a queue to the exchange for each of the weights; return the queues."""
    queues = [f"{exchange}-{number}" for number in range(len(weights))]
    for queue, weight in zip(queues, weights, strict=True):
        channel.queue_declare(queue, durable=True)
        channel.queue_bind(queue, exchange, weight)
    return queues


def places(channel, exchange, queues, keys=KEYS, header=None):
    """Publish a message for each key, as its routing key or in that header, and take
    all of them; return the queue in which the message of each key was.
    """
    channel.confirm_delivery()
    for key in keys:
        properties = pika.BasicProperties(headers={header: key} if header else None)
        channel.basic_publish(exchange, key, key.encode(), properties)
    found = {}
    for queue in queues:
        while body := channel.basic_get(queue, auto_ack=True)[2]:
            found[body.decode()] = queue
    return found


def moved(before, after):
    """Return the keys that are in another queue than before."""
    return [key for key in before if before[key] != after[key]]


def test_consistent_hash_takes_the_binding_key_for_a_weight(channel, queue):
    channel.exchange_declare(queue, "x-consistent-hash")
    queues = bind(channel, queue, ["1", "3"])
    found = [*places(channel, queue, queues).values()]
    assert 80 <= found.count(queues[0]) <= 120  # Of 400 keys.


@pytest.mark.parametrize(
    ("weight", "why"),
    [
        ("customer-1", "must be an integer"),
        ("1.5", "must be an integer"),
        ("", "must be an integer"),
        ("0", "must be greater than 0"),
        ("10001", "must not exceed 10000"),
    ],
)
def test_consistent_hash_refuses_a_weight_that_is_no_number_from_1_to_10000(
    channel, queue, weight, why
):
    channel.exchange_declare(queue, "x-consistent-hash")
    with pytest.raises(ChannelClosedByBroker, match=why) as refused:
        bind(channel, queue, [weight])
    assert refused.value.reply_code == 406


def test_consistent_hash_does_not_heed_a_second_binding_of_a_queue(channel, queue):
    channel.exchange_declare(queue, "x-consistent-hash")
    queues = bind(channel, queue, ["1", "1"])
    before = places(channel, queue, queues)
    channel.queue_bind(queues[0], queue, "9")
    assert moved(before, places(channel, queue, queues)) == []


def test_modulus_hash_counts_a_queue_as_often_as_it_is_bound(channel, queue):
    channel.exchange_declare(queue, "x-modulus-hash")
    queues = bind(channel, queue, ["any", "any"])
    channel.queue_bind(queues[0], queue, "other")
    found = [*places(channel, queue, queues).values()]
    assert 235 <= found.count(queues[0]) <= 300  # Two thirds of 400 keys.


@pytest.mark.parametrize(
    ("keys", "empty"), [(4, 1), (400, 0)], ids=["few-keys", "many-keys"]
)
def test_consistent_hash_leaves_queues_empty_if_there_are_few_keys(
    channel, queue, keys, empty
):
    channel.exchange_declare(queue, "x-consistent-hash")
    queues = bind(channel, queue, 4 * ["1"])
    found = places(channel, queue, queues, KEYS[1 : keys + 1])
    assert len({*queues} - {*found.values()}) == empty


def test_consistent_hash_goes_by_a_header_and_sends_those_without_it_to_one_queue(
    channel, queue
):
    by_header = {"hash-header": "customer"}
    channel.exchange_declare(queue, "x-consistent-hash", arguments=by_header)
    queues = bind(channel, queue, 4 * ["1"])
    assert len({*places(channel, queue, queues, header="customer").values()}) == 4
    assert len({*places(channel, queue, queues).values()}) == 1


def test_consistent_hash_goes_by_a_header_or_a_property(channel, queue):
    both = {"hash-header": "customer", "hash-property": "message_id"}
    with pytest.raises(ChannelClosedByBroker, match="mutually exclusive") as refused:
        channel.exchange_declare(queue, "x-consistent-hash", arguments=both)
    assert refused.value.reply_code == 406


def share_moved_without(channel, exchange, kind, number):
    """Return the share of the keys that are elsewhere when one of four queues is taken
    away, and which queues they were in before.
    """
    channel.exchange_declare(exchange, kind)
    queues = bind(channel, exchange, 4 * ["1"])
    before = places(channel, exchange, queues)
    channel.queue_unbind(queues[number], exchange, "1")
    keys = moved(before, places(channel, exchange, queues))
    return len(keys) / len(before), {queues.index(before[key]) for key in keys}


def test_consistent_hash_moves_most_keys_if_the_queue_bound_first_is_taken_away(
    channel, queue
):
    share, came_from = share_moved_without(channel, queue, "x-consistent-hash", 0)
    assert share > 0.8
    assert came_from == {0, 1, 2, 3}


def test_consistent_hash_moves_its_own_keys_if_the_queue_bound_last_is_taken_away(
    channel, queue
):
    share, came_from = share_moved_without(channel, queue, "x-consistent-hash", 3)
    assert share < 0.35
    assert came_from == {3}


@pytest.mark.parametrize("number", [0, 3], ids=["first", "last"])
def test_modulus_hash_moves_most_keys_whichever_queue_is_taken_away(
    channel, queue, number
):
    share, came_from = share_moved_without(channel, queue, "x-modulus-hash", number)
    assert share > 0.6
    assert came_from == {0, 1, 2, 3}


def test_hash_exchanges_keep_the_queue_of_each_key_over_a_restart(queue):
    kinds = ("x-consistent-hash", "x-modulus-hash")

    def find(address, create=False):
        with pika.BlockingConnection(pika.URLParameters(address)) as connection:
            channel = connection.channel()
            for kind in kinds if create else ():
                channel.exchange_declare(f"{queue}-{kind}", kind, durable=True)
                for name in (f"{queue}-{kind}-{number}" for number in (2, 0, 3, 1)):
                    channel.queue_declare(name, durable=True)
                    channel.queue_bind(name, f"{queue}-{kind}", "1")
            queues = [
                f"{queue}-{kind}-{number}" for number in range(4) for kind in kinds
            ]
            return [places(channel, f"{queue}-{kind}", queues) for kind in kinds]

    with start_rabbitmq() as broker:
        before = find(broker.address, create=True)
        broker.stop()
        broker.start()
        assert find(broker.address) == before

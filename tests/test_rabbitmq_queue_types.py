"""The claims of chapter 4, RabbitMQ concepts, about queue types and clusters."""

import pika
import pytest
from brokers import kafka as start_kafka
from brokers import rabbitmq as start_rabbitmq
from brokers.cache import BrokerError
from brokers.rabbitmq_node import rabbitmqctl
from pika.exceptions import ChannelClosedByBroker, ConnectionClosedByBroker
from rabbitmq_concepts import (
    classic_queue_does_not_kafka,
    classic_queue_does_not_rabbitmq,
    quorum_queue_survives_a_node_rabbitmq,
    stream_replay_rabbitmq,
)
from waiting import until

TYPES = ("classic", "quorum", "stream")


def declare(channel, queue, kind, **arguments):
    """Declare a queue; `arguments` are named without x- and with _ for each dash."""
    named = {f"x-{name.replace('_', '-')}": what for name, what in arguments.items()}
    named["x-queue-type"] = kind
    channel.queue_declare(queue, durable=True, arguments=named)


def refusal(url, act):
    """Return the code with which the broker refuses `act(channel)`, or None."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        try:
            act(connection.channel())
        except (ChannelClosedByBroker, ConnectionClosedByBroker) as error:
            return error.reply_code


def words(url, act):
    """Return what the broker says when it refuses `act(channel)`."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        with pytest.raises(
            (ChannelClosedByBroker, ConnectionClosedByBroker)
        ) as refused:
            act(connection.channel())
        return refused.value.reply_text


# One queue type beside the other.


@pytest.mark.parametrize(
    ("argument", "value", "takers"),
    [
        ("x-max-priority", 5, {"classic"}),
        ("x-message-ttl", 60000, {"classic", "quorum"}),
        ("x-expires", 60000, {"classic", "quorum"}),
        ("x-dead-letter-exchange", "", {"classic", "quorum"}),
        ("x-dead-letter-strategy", "at-least-once", {"quorum"}),
        ("x-max-length", 5, {"classic", "quorum"}),
        ("x-max-length-bytes", 5000, {"classic", "quorum", "stream"}),
        ("x-overflow", "reject-publish", {"classic", "quorum"}),
        ("x-single-active-consumer", True, {"classic", "quorum"}),
        ("x-consumer-timeout", 60000, {"quorum"}),
        ("x-delivery-limit", 3, {"quorum"}),
        ("x-delayed-retry-type", "all", {"quorum"}),
        ("x-quorum-initial-group-size", 3, {"quorum"}),
        ("x-max-age", "1h", {"stream"}),
        ("x-stream-max-segment-size-bytes", 5000000, {"stream"}),
        ("x-initial-cluster-size", 3, {"stream"}),
        ("x-queue-leader-locator", "balanced", {"classic", "quorum", "stream"}),
        ("x-queue-mode", "lazy", {"classic"}),
        ("x-queue-version", 2, {"classic"}),
        ("x-queue-version", 1, set()),
        ("x-misspelt", True, {"classic", "quorum", "stream"}),
    ],
)
def test_rabbitmq_takes_the_arguments_of_the_queue_type_and_refuses_those_of_another(
    rabbitmq, queue, argument, value, takers
):
    def answer(kind):
        arguments = {"x-queue-type": kind, argument: value}
        return refusal(
            rabbitmq,
            lambda channel: channel.queue_declare(
                f"{queue}-{kind}", durable=True, arguments=arguments
            ),
        )

    answers = {kind: answer(kind) for kind in TYPES}
    assert answers == {kind: None if kind in takers else 406 for kind in TYPES}


@pytest.mark.parametrize("property", ["transient", "exclusive", "auto_delete"])
def test_rabbitmq_has_no_transient_exclusive_or_auto_delete_queue_but_a_classic_one(
    rabbitmq, queue, property
):
    options = {"durable": property != "transient"}
    if property != "transient":
        options[property] = True

    def answer(kind):
        return refusal(
            rabbitmq,
            lambda channel: channel.queue_declare(
                f"{queue}-{kind}", arguments={"x-queue-type": kind}, **options
            ),
        )

    answers = {kind: answer(kind) for kind in TYPES}
    assert answers == {"classic": None, "quorum": 406, "stream": 406}


def test_rabbitmq_makes_a_classic_queue_if_no_type_is_asked_for(
    rabbitmq, channel, queue
):
    channel.queue_declare(queue, durable=True)
    said = words(rabbitmq, lambda channel: declare(channel, queue, "quorum"))
    assert said == (
        f"PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue '{queue}' "
        "in vhost '/': received 'quorum' but current is 'classic'"
    )


def test_rabbitmq_never_changes_the_type_of_a_queue(rabbitmq, channel, queue):
    for kind in TYPES:
        declare(channel, f"{queue}-{kind}", kind)
    answers = {
        (old, new): refusal(
            rabbitmq,
            lambda channel, old=old, new=new: declare(channel, f"{queue}-{old}", new),
        )
        for old in TYPES
        for new in TYPES
    }
    assert answers == {
        (old, new): None if old == new else 406 for old in TYPES for new in TYPES
    }


def test_rabbitmq_knows_no_mirrored_queue_type(rabbitmq, queue):
    said = words(rabbitmq, lambda channel: declare(channel, queue, "mirrored"))
    assert "unsupported queue type 'mirrored'" in said


def test_rabbitmq_does_not_delete_a_quorum_queue_only_if_it_is_empty_or_unused(
    rabbitmq, channel, queue
):
    declare(channel, queue, "quorum")
    for condition in ("if_empty", "if_unused"):
        assert (
            refusal(
                rabbitmq,
                lambda channel, condition=condition: channel.queue_delete(
                    queue, **{condition: True}
                ),
            )
            == 540
        )


# Streams.


def test_rabbitmq_queue_is_emptied_and_its_stream_is_read_again(
    rabbitmq, channel, queue, capsys
):
    stream_replay_rabbitmq.main(rabbitmq, queue)
    assert capsys.readouterr().out == (
        "queue: {'ann': ['order 0', 'order 2'], 'ben': ['order 1', 'order 3']}\n"
        "queue, once more: []\n"
        "stream: ['order 0', 'order 1', 'order 2', 'order 3']\n"
        "stream, once more: ['order 0', 'order 1', 'order 2', 'order 3']\n"
        "stream, from offset 2: ['order 2', 'order 3']\n"
        "stream, without acks: ['order 0', 'order 1']\n"
    )
    left = channel.queue_declare(f"{queue}-quorum", passive=True)
    assert left.method.message_count == 0


@pytest.fixture
def stream(channel, queue):
    """The name of a stream with three orders."""
    declare(channel, queue, "stream")
    for number in range(3):
        channel.basic_publish("", queue, f"order {number}".encode())
    return queue


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (
            lambda channel, stream: channel.basic_get(stream),
            "NOT_IMPLEMENTED - basic.get not supported by stream queues",
        ),
        (
            lambda channel, stream: channel.queue_purge(stream),
            "NOT_IMPLEMENTED - queue.purge not supported by stream queues",
        ),
        (
            lambda channel, stream: channel.basic_consume(stream, print),
            "PRECONDITION_FAILED - consumer prefetch count is not set",
        ),
        (
            lambda channel, stream: (
                channel.basic_qos(prefetch_count=10),
                channel.basic_consume(stream, print, auto_ack=True),
            ),
            "NOT_IMPLEMENTED - automatic acknowledgement not supported by stream",
        ),
        (
            lambda channel, stream: (
                channel.basic_qos(prefetch_count=10),
                channel.basic_consume(stream, print, arguments={"x-priority": 5}),
            ),
            "PRECONDITION_FAILED - invalid arg 'x-priority'",
        ),
    ],
    ids=["get", "purge", "no_prefetch", "auto_ack", "consumer_priority"],
)
def test_rabbitmq_stream_refuses_what_belongs_to_queues(rabbitmq, stream, act, said):
    assert words(rabbitmq, lambda channel: act(channel, stream)).startswith(said)


def test_rabbitmq_stream_neither_brings_back_nor_removes_what_is_returned(
    channel, stream
):
    channel.basic_qos(prefetch_count=1)
    start = {"x-stream-offset": "first"}
    got = []
    for method, _, body in channel.consume(
        stream, arguments=start, inactivity_timeout=1
    ):
        if method is None:
            break
        got.append(body)
        channel.basic_nack(method.delivery_tag, requeue=True)
    channel.cancel()
    assert got == [b"order 0", b"order 1", b"order 2"]
    assert stream_replay_rabbitmq.read(channel, stream, "first") == [
        "order 0",
        "order 1",
        "order 2",
    ]


def test_rabbitmq_stream_keeps_a_message_whose_time_is_over(channel, queue):
    declare(channel, queue, "stream")
    channel.basic_publish("", queue, b"order 1", pika.BasicProperties(expiration="1"))
    assert stream_replay_rabbitmq.read(channel, queue, "first") == ["order 1"]
    assert stream_replay_rabbitmq.read(channel, queue, "first") == ["order 1"]


# A cluster: where a queue is, and what the death of a node costs.


@pytest.fixture(scope="module")
def three_rabbits():
    """Three RabbitMQ nodes for the tests of this module, which stop and kill them."""
    with start_rabbitmq(nodes=3) as cluster:
        yield cluster


@pytest.fixture
def rabbits(three_rabbits):
    """The three RabbitMQ nodes; after the test all are up again."""
    yield three_rabbits
    down = [node for node in three_rabbits.nodes if not node.running]
    for node in down:
        node.start()
    if down:
        rabbitmqctl(three_rabbits.nodes[0], "await_online_nodes", "3")


def declare_at(node, queue, kind, **arguments):
    """Declare a queue at one of the nodes, see `declare`."""
    with pika.BlockingConnection(pika.URLParameters(node.address)) as connection:
        declare(connection.channel(), queue, kind, **arguments)


def listed(node, column):
    """Return {queue: nodes} for a column of `rabbitmqctl list_queues`."""
    found = rabbitmqctl(node, "list_queues", "name", column).replace("@localhost", "")
    rows = [row.split("\t") for row in found.splitlines()[1:]]
    return {queue: sorted(nodes.strip("[]").split(", ")) for queue, nodes in rows}


THREE = ["rabbitmq-1", "rabbitmq-2", "rabbitmq-3"]


def test_rabbitmq_has_three_members_of_a_quorum_queue_or_stream_and_one_classic_queue(
    rabbits, queue
):
    for kind in TYPES:
        declare_at(rabbits.nodes[0], f"{queue}-{kind}", kind)
    members = listed(rabbits.nodes[0], "members")
    assert {kind: members[f"{queue}-{kind}"] for kind in TYPES} == {
        "classic": THREE[:1],
        "quorum": THREE,
        "stream": THREE,
    }


def test_rabbitmq_gives_a_quorum_queue_the_members_asked_for_but_one_on_a_node(
    rabbits, queue
):
    for size in (1, 2, 5):
        name = f"{queue}-{size}"
        declare_at(rabbits.nodes[0], name, "quorum", quorum_initial_group_size=size)
    members = listed(rabbits.nodes[0], "members")
    assert [len(members[f"{queue}-{size}"]) for size in (1, 2, 5)] == [1, 2, 3]


def test_rabbitmq_puts_a_classic_queue_on_the_node_that_was_asked_for_it(
    rabbits, queue
):
    for node in rabbits.nodes:
        classic_queue_does_not_rabbitmq.declare(node.address, f"{queue}-{node.name}")
    leaders = listed(rabbits.nodes[0], "leader")
    assert {name: leaders[f"{queue}-{name}"] for name in THREE} == {
        name: [name] for name in THREE
    }


def test_rabbitmq_balances_the_leaders_of_queues_that_ask_for_it(rabbits, queue):
    names = {f"{queue}-{kind}-{n}": kind for kind in TYPES[:2] for n in range(3)}
    for name, kind in names.items():
        declare_at(rabbits.nodes[0], name, kind, queue_leader_locator="balanced")
    leaders = listed(rabbits.nodes[0], "leader")
    assert any(leaders[name] != ["rabbitmq-1"] for name in names)


def test_rabbitmq_refuses_a_policy_that_mirrors_queues(rabbits):
    with pytest.raises(BrokerError, match="not recognised policy settings"):
        rabbitmqctl(rabbits.nodes[0], "set_policy", "ha", "^", '{"ha-mode": "all"}')


def test_rabbitmq_keeps_its_metadata_in_khepri_and_in_nothing_else(rabbits):
    lines = rabbitmqctl(
        rabbits.nodes[0], "list_feature_flags", "name", "state", "stability"
    )
    assert "khepri_db\tenabled\trequired" in lines.splitlines()


def test_rabbitmq_serves_a_quorum_queue_without_the_node_that_led_it(
    rabbits, queue, capsys
):
    quorum_queue_survives_a_node_rabbitmq.main(rabbits, queue)
    assert capsys.readouterr().out == (
        "order 1, node 1: confirmed\n"
        "order 2, node 2: confirmed\n"
        "order 3, node 3: confirmed\n"
        "node 1, which led the queue, was killed\n"
        "order 4, node 2: confirmed\n"
        "order 5, node 3: confirmed\n"
        "received, node 2: ['order 1', 'order 2', 'order 3', 'order 4', 'order 5']\n"
        "node 1 was started\n"
        "order 6, node 1: confirmed\n"
        "received, node 1: ['order 6']\n"
    )


def test_rabbitmq_does_not_serve_a_classic_queue_while_its_node_is_down(
    rabbits, queue, capsys
):
    classic_queue_does_not_rabbitmq.main(rabbits, queue)
    assert capsys.readouterr().out == (
        "order 1, node 1: confirmed\n"
        "order 2, node 2: confirmed\n"
        "order 3, node 3: confirmed\n"
        "node 1, which has the queue, was killed\n"
        "order 4, node 2: refused\n"
        "order 5, node 3: refused\n"
        "a consumer and a declaration: answered 0 of 2\n"
        "node 1 was started\n"
        "received, node 2: ['order 1', 'order 2', 'order 3']\n"
    )


def test_rabbitmq_says_404_at_once_of_a_classic_queue_whose_node_was_shut_down(
    rabbits, queue
):
    home, other, _ = rabbits.nodes
    classic_queue_does_not_rabbitmq.declare(home.address, queue)
    home.stop()
    for act in (
        lambda channel: declare(channel, queue, "classic"),
        lambda channel: channel.basic_consume(queue, print),
        lambda channel: channel.basic_get(queue),
    ):
        assert words(other.address, act) == (
            f"NOT_FOUND - queue '{queue}' in vhost '/' process is stopped by supervisor"
        )


def test_rabbitmq_counts_a_member_whose_node_is_down_and_says_that_it_is(
    rabbits, queue
):
    declare_at(rabbits.nodes[0], queue, "quorum")
    rabbits.nodes[2].stop()
    assert until(lambda: listed(rabbits.nodes[1], "online")[queue] == THREE[:2])
    assert listed(rabbits.nodes[1], "members")[queue] == THREE


def test_rabbitmq_cancels_the_consumer_of_a_classic_queue_and_not_of_a_quorum_queue(
    rabbits, queue
):
    killed, other, _ = rabbits.nodes
    cancelled, got = [], []
    with pika.BlockingConnection(pika.URLParameters(other.address)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.add_on_cancel_callback(
            lambda frame: cancelled.append(frame.method.consumer_tag)
        )
        for kind in ("classic", "quorum"):
            declare_at(killed, f"{queue}-{kind}", kind)
            # A node that was not asked hears of the queue a moment later.
            assert until(lambda kind=kind: f"{queue}-{kind}" in listed(other, "type"))
            channel.basic_consume(
                f"{queue}-{kind}",
                lambda *message: got.append(message[3]),
                consumer_tag=kind,
            )
        killed.kill()
        channel.basic_publish("", f"{queue}-quorum", b"order 1")

        def served():
            connection.process_data_events(time_limit=0.1)
            return got and cancelled

        assert until(served)
    assert (cancelled, got) == (["classic"], [b"order 1"])


def test_rabbitmq_stream_keeps_what_it_has_confirmed_when_its_leader_dies(
    rabbits, queue
):
    leader, other, third = rabbits.nodes
    declare_at(leader, queue, "stream")
    assert until(lambda: listed(other, "leader").get(queue) == [leader.name])
    orders = [f"order {number}" for number in range(100)]
    with pika.BlockingConnection(pika.URLParameters(other.address)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for order in orders[:50]:
            channel.basic_publish("", queue, order.encode())
        leader.kill()
        for order in orders[50:]:
            channel.basic_publish("", queue, order.encode())
    found = []

    def replayed():
        try:
            with pika.BlockingConnection(pika.URLParameters(third.address)) as it:
                found[:] = stream_replay_rabbitmq.read(it.channel(), queue, "first")
        except ChannelClosedByBroker:
            return False  # Its replica joins the new leader a moment later.
        return True

    assert until(replayed)
    assert set(found) == set(orders)


# Kafka's counterpart of a queue on one node.


@pytest.fixture(scope="module")
def three_kafkas():
    """Three Kafka nodes for the test below, which kills one."""
    with start_kafka(nodes=3) as cluster:
        yield cluster


def test_kafka_partition_with_one_replica_has_no_leader_while_its_broker_is_down(
    three_kafkas, topic, capsys
):
    classic_queue_does_not_kafka.main(three_kafkas, topic)
    assert capsys.readouterr().out == (
        "order 1: acknowledged\n"
        "node 1, which has the partition, was killed: nobody leads\n"
        "order 2: no answer\n"
        "node 1 was started: it leads\n"
        "order 3: acknowledged\n"
        "received: ['order 1', 'order 3']\n"
    )

"""The claims of chapter 3 about consumer groups: commits, rebalances, membership."""

import ctypes
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache
from itertools import chain
from uuid import uuid4

import pika
import pytest
from brokers.kafka_node import java
from confluent_kafka import Consumer, KafkaException, TopicPartition, cimpl
from confluent_kafka.admin import AdminClient, ConfigResource
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka import TopicPartition as Partition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import FencedInstanceIdError, KafkaConfigurationError
from kafka.structs import OffsetAndMetadata
from kafka_patterns import (
    auto_commit_loses_kafka,
    auto_commit_loses_rabbitmq,
    commit_after_work_kafka,
    commit_after_work_rabbitmq,
    commit_before_work_kafka,
    commit_before_work_rabbitmq,
    poll_too_slow_kafka,
    poll_too_slow_rabbitmq,
    rebalance_consumer_protocol_kafka,
    rebalance_cooperative_kafka,
    rebalance_eager_kafka,
    static_member_restarts_kafka,
)
from waiting import until

COOPERATIVE = {"partition_assignment_strategy": [CooperativeStickyAssignor]}
CONSUMER_PROTOCOL = {"group.protocol": "consumer"}


def create(kafka, topic, partitions=1, orders=0):
    """Make a topic with so many numbered orders in each partition."""
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        admin.create_topics(
            {topic: {"num_partitions": partitions}}, wait_for_metadata=True
        )
    with KafkaProducer(bootstrap_servers=kafka) as producer:
        for number in range(orders):
            for partition in range(partitions):
                producer.send(topic, str(number).encode(), partition=partition)
        producer.flush(timeout=30)


@pytest.fixture
def join(kafka, topic):
    """A function that returns a member of the topic's group, of kafka-python."""
    with ExitStack() as members:

        def join(**settings):
            member = KafkaConsumer(
                topic,
                bootstrap_servers=kafka,
                group_id=topic,
                auto_offset_reset="earliest",
                heartbeat_interval_ms=500,
                **settings,
            )
            members.callback(member.close)
            member.partitions_for_topic(topic)
            return member

        yield join


@pytest.fixture
def join_librdkafka(kafka, topic):
    """A function that returns a member of the topic's group, of librdkafka."""
    with ExitStack() as members:

        def join(on_assign=lambda *_: None, **settings):
            group = {"group.id": topic, "auto.offset.reset": "earliest"}
            member = Consumer({"bootstrap.servers": kafka, **group, **settings})
            members.callback(member.close)
            member.subscribe([topic], on_assign=on_assign)
            return member

        yield join


def share_out(members, shares):
    """Let members of kafka-python poll until they have so many partitions each.

    All at once: a member that is not in `poll` when its join is answered joins again.
    """
    end = time.monotonic() + 60

    def shared_out():
        return sorted(len(each.assignment()) for each in members) == shares

    def poll(member):
        while not shared_out() and time.monotonic() < end:
            member.poll(timeout_ms=200)

    with ThreadPoolExecutor(len(members)) as threads:
        list(threads.map(poll, members))
    assert shared_out()


def assigned(members, shares):
    """Poll members of librdkafka; tell whether they have so many partitions each."""
    for member in members:
        member.poll(0.05)
    return sorted(len(each.assignment()) for each in members) == shares


# What a rebalance stops.


@pytest.fixture(scope="module")
def rebalances(kafka):
    """What the same join and leave stopped, by protocol; the three run at once."""
    programs = {
        "eager": rebalance_eager_kafka,
        "cooperative": rebalance_cooperative_kafka,
        "consumer": rebalance_consumer_protocol_kafka,
    }
    with ThreadPoolExecutor(3) as threads:
        results = {
            name: threads.submit(program.join_and_leave, kafka, f"orders-{uuid4().hex}")
            for name, program in programs.items()
        }
        return {name: result.result() for name, result in results.items()}


PROTOCOLS = ["eager", "cooperative", "consumer"]


@pytest.mark.parametrize("change", ["joins", "leaves"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_one_partition_of_four_moves_when_a_third_member(rebalances, protocol, change):
    assert rebalances[protocol][change]["moved"] == 1


@pytest.mark.parametrize(
    ("protocol", "joins", "leaves"),
    [("eager", 4, 3), ("cooperative", 1, 0), ("consumer", 1, 0)],
    ids=PROTOCOLS,
)
def test_those_who_stay_give_up_partitions(rebalances, protocol, joins, leaves):
    stopped = rebalances[protocol]
    assert stopped["joins"]["given up"] == joins
    assert stopped["leaves"]["given up"] == leaves


@pytest.mark.parametrize("change", ["joins", "leaves"])
def test_eager_rebalance_waits_for_the_slowest_member(rebalances, change):
    assert rebalances["eager"][change]["silence of kept"] > 2.5


@pytest.mark.parametrize("change", ["joins", "leaves"])
@pytest.mark.parametrize("protocol", ["cooperative", "consumer"])
def test_kept_partition_goes_on_while_another_member_is_busy(
    rebalances, protocol, change
):
    assert rebalances[protocol][change]["silence of kept"] < 2.5


@pytest.mark.parametrize(
    ("strategy", "given"),
    [("range", [True]), ("cooperative-sticky", [False, True])],
    ids=PROTOCOLS[:2],
)
def test_who_joins_is_given_partitions_in_rebalance_number(
    kafka, topic, join_librdkafka, strategy, given
):
    create(kafka, topic, 4)
    settings = {"partition.assignment.strategy": strategy, "heartbeat.interval.ms": 500}
    members = [join_librdkafka(**settings) for _ in range(2)]
    assert until(lambda: assigned(members, [2, 2]))
    rebalances = []
    members.append(
        join_librdkafka(lambda _, each: rebalances.append(bool(each)), **settings)
    )
    assert until(lambda: assigned(members, [1, 1, 2]))
    assert rebalances == given


def test_kafka_python_gets_nothing_while_a_cooperative_rebalance_waits(
    kafka, topic, join
):
    create(kafka, topic, 4, orders=5000)
    settings = {**COOPERATIVE, "max_poll_records": 1, "enable_auto_commit": False}
    first, busy = (join(**settings) for _ in range(2))
    share_out([first, busy], [2, 2])
    join(**settings).poll(timeout_ms=1000)
    # The second member is at work on an order and does not poll.
    assert until(lambda: not first.poll(timeout_ms=500))
    assert first.poll(timeout_ms=1000) == {}
    assert len(first.assignment()) == 2
    busy.close()  # The others could not leave while they wait for it.


def test_kafka_python_refuses_to_mix_eager_and_cooperative(join):
    mixed = [CooperativeStickyAssignor, RangePartitionAssignor]
    with pytest.raises(KafkaConfigurationError, match="Mixing EAGER and COOPERATIVE"):
        join(partition_assignment_strategy=mixed)


def test_librdkafka_refuses_to_mix_eager_and_cooperative(join_librdkafka):
    mixed = {"partition.assignment.strategy": "cooperative-sticky,range"}
    with pytest.raises(KafkaException, match="must have the same protocol type"):
        join_librdkafka(**mixed)


@pytest.mark.parametrize(
    ("setting", "value", "instead"),
    [
        ("session.timeout.ms", 45000, "It is defined broker side"),
        ("heartbeat.interval.ms", 3000, "It is defined broker side"),
        ("partition.assignment.strategy", "range", "Use `group.remote.assignor`"),
    ],
)
def test_consumer_protocol_leaves_it_to_the_broker(
    join_librdkafka, setting, value, instead
):
    with pytest.raises(KafkaException, match=f"{setting}` is not supported.*{instead}"):
        join_librdkafka(**CONSUMER_PROTOCOL, **{setting: value})


def test_kafka_python_does_not_know_the_consumer_protocol(join):
    with pytest.raises(KafkaConfigurationError, match="group_protocol"):
        join(group_protocol="consumer")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("group.consumer.session.timeout.ms", "45000"),
        ("group.consumer.heartbeat.interval.ms", "5000"),
        ("group.consumer.min.heartbeat.interval.ms", "5000"),
        ("group.coordinator.rebalance.protocols", "classic,consumer,streams"),
    ],
)
def test_broker_has_the_default(kafka, setting, value):
    admin = AdminClient({"bootstrap.servers": kafka})
    (described,) = admin.describe_configs([ConfigResource("broker", "1")]).values()
    assert described.result(30)[setting].value == value


@pytest.mark.parametrize(
    ("settings", "kind"),
    [({}, "CLASSIC"), (CONSUMER_PROTOCOL, "CONSUMER")],
    ids=["classic", "consumer"],
)
def test_broker_knows_the_type_of_a_group(
    kafka, topic, join_librdkafka, settings, kind
):
    create(kafka, topic)
    member = join_librdkafka(**settings)
    assert until(lambda: assigned([member], [1]))
    admin = AdminClient({"bootstrap.servers": kafka})
    assert admin.describe_consumer_groups([topic])[topic].result(30).type.name == kind


def add_partitions(kafka, topic, total):
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        admin.create_partitions({topic: total})


def test_classic_group_picks_up_new_partitions_when_its_leader_refreshes_metadata(
    kafka, topic, join
):
    create(kafka, topic, 2)
    member = join(metadata_max_age_ms=1000)
    share_out([member], [2])
    add_partitions(kafka, topic, 4)
    share_out([member], [4])


def test_consumer_protocol_picks_up_new_partitions_before_the_client_refreshes(
    kafka, topic, join_librdkafka
):
    create(kafka, topic, 2)
    member = join_librdkafka(**CONSUMER_PROTOCOL)
    assert until(lambda: assigned([member], [2]))
    add_partitions(kafka, topic, 4)
    assert until(
        lambda: assigned([member], [4]), 30
    )  # It refreshes after five minutes.


# Static members.


def test_static_member_restarts_without_a_rebalance(kafka, topic, capsys):
    static_member_restarts_kafka.main(kafka, topic)
    assert capsys.readouterr().out == (
        "a dynamic member restarts: 2 rebalances\n"
        "meanwhile the other member has 4 of 4 partitions\n"
        "a static member restarts: 0 rebalances\n"
        "meanwhile the other member has 2 of 4 partitions\n"
    )


def test_static_member_that_closes_keeps_its_partitions_for_its_session(
    kafka, topic, join
):
    create(kafka, topic, 4)
    first, second = join(), join(group_instance_id="till-2", session_timeout_ms=6000)
    share_out([first, second], [2, 2])
    second.close()
    closed = time.monotonic()
    share_out([first], [4])
    # The session began a little before it closed.
    assert 4 < time.monotonic() - closed < 20


def test_classic_group_fences_the_older_of_two_static_members_of_one_name(
    kafka, topic, join
):
    create(kafka, topic)
    older = join(group_instance_id="till-1")
    share_out([older], [1])
    newer = join(group_instance_id="till-1")
    share_out([newer], [1])
    with pytest.raises(FencedInstanceIdError):
        older.commit({Partition(topic, 0): OffsetAndMetadata(0, "", -1)})


def test_consumer_protocol_refuses_the_newer_of_two_static_members_of_one_name(
    kafka, topic, join_librdkafka
):
    create(kafka, topic)
    static = {"group.instance.id": "till-1", **CONSUMER_PROTOCOL}
    older = join_librdkafka(**static)
    assert until(lambda: assigned([older], [1]))
    newer = join_librdkafka(**static)
    refusals = []

    def refused():
        refusals.append(newer.poll(0.1))
        return refusals[-1] and refusals[-1].error()

    assert until(refused)
    assert "The instance ID is still used" in refusals[-1].error().str()


# Poll interval and consumer timeout.


def test_kafka_takes_the_partition_and_the_commit_from_who_polls_too_slowly(
    kafka, topic, capsys
):
    poll_too_slow_kafka.main(kafka, topic)
    assert capsys.readouterr().out == (
        "worker 1 packs order 7\n"
        "worker 2 packs order 7\n"
        "worker 2 has committed\n"
        "worker 1 may not commit: its partition was given to another\n"
    )


def test_rabbitmq_cancels_the_consumer_that_acknowledges_too_slowly(
    rabbitmq, queue, capsys
):
    poll_too_slow_rabbitmq.main(rabbitmq, queue)
    assert capsys.readouterr().out == (
        "worker 1 packs order 7\n"
        "worker 2 packs order 7 (redelivered)\n"
        "worker 2 has acknowledged\n"
        "worker 1 has acknowledged\n"
        "worker 1 gets no more: its consumer was cancelled\n"
    )


def test_rabbitmq_ignores_an_acknowledgement_after_the_consumer_timeout(
    rabbitmq, queue
):
    poll_too_slow_rabbitmq.send_order(rabbitmq, queue, "order 7")
    parameters = pika.URLParameters(rabbitmq)
    with (
        pika.BlockingConnection(parameters) as one,
        pika.BlockingConnection(parameters) as two,
    ):
        slow, other = one.channel(), two.channel()
        late, _, _ = next(slow.consume(queue, inactivity_timeout=30))
        again, _, _ = next(other.consume(queue, inactivity_timeout=30))
        assert again.redelivered
        slow.basic_ack(late.delivery_tag)
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        assert until(lambda: channel.basic_get(queue)[2] == b"order 7")


def test_rabbitmq_classic_queue_refuses_a_consumer_timeout(rabbitmq, queue):
    arguments = {"x-queue-type": "classic", "x-consumer-timeout": 3000}
    with (
        pika.BlockingConnection(pika.URLParameters(rabbitmq)) as connection,
        pytest.raises(pika.exceptions.ChannelClosedByBroker, match="invalid arg"),
    ):
        connection.channel().queue_declare(queue, durable=True, arguments=arguments)


# Commits of a batch.


@pytest.fixture(scope="module")
def deaths(kafka, rabbitmq):
    """What two workers handled of orders 1 to 12, by program; they run at once."""
    programs = {
        commit_after_work_kafka: kafka,
        commit_after_work_rabbitmq: rabbitmq,
        commit_before_work_kafka: kafka,
        commit_before_work_rabbitmq: rabbitmq,
        auto_commit_loses_kafka: kafka,
        auto_commit_loses_rabbitmq: rabbitmq,
    }
    with ThreadPoolExecutor(3) as threads:
        results = {
            program: threads.submit(
                program.die_in_a_batch, address, f"orders-{uuid4().hex}"
            )
            for program, address in programs.items()
        }
        return {program: result.result() for program, result in results.items()}


BROKERS = ["kafka", "rabbitmq"]


@pytest.mark.parametrize(
    "program", [commit_after_work_kafka, commit_after_work_rabbitmq], ids=BROKERS
)
def test_commit_after_the_batch_repeats_what_was_done_of_it(deaths, program):
    assert deaths[program] == ([1, 2, 3], [*range(1, 13)])


@pytest.mark.parametrize(
    "program", [commit_before_work_kafka, commit_before_work_rabbitmq], ids=BROKERS
)
def test_commit_before_the_batch_loses_what_was_not_done_of_it(deaths, program):
    assert deaths[program] == ([1, 2, 3], [*range(7, 13)])


@pytest.mark.parametrize(
    "program", [auto_commit_loses_kafka, auto_commit_loses_rabbitmq], ids=BROKERS
)
def test_auto_commit_loses_what_waits_in_the_worker(deaths, program):
    assert deaths[program] == ([1, 2, 3], [*range(7, 13)])


# When each client commits by itself.


def poll_some(member, count):
    """Poll a member of kafka-python until orders come and return how many."""
    polled = []

    def come():
        polled.extend(chain.from_iterable(member.poll(200, count).values()))
        return polled

    assert until(come)
    return len(polled)


def test_kafka_python_commits_a_batch_when_the_next_one_is_polled(kafka, topic, join):
    create(kafka, topic, orders=6)
    member, partition = join(auto_commit_interval_ms=100), Partition(topic, 0)
    assert poll_some(member, 3) == 3
    time.sleep(1)  # Pretends to work, for ten intervals.
    # An empty poll before the batch may have committed the start, which is 0.
    assert member.committed(partition) in (None, 0)
    assert poll_some(member, 1) == 1
    assert until(lambda: member.committed(partition) == 3)


def test_kafka_python_commits_the_whole_batch_when_it_is_closed(kafka, topic, join):
    create(kafka, topic, orders=6)
    member = join()
    poll_some(member, 6)
    member.close()
    assert join().committed(Partition(topic, 0)) == 6


def test_kafka_python_commits_nothing_when_an_error_leaves_its_with_block(
    kafka, topic, join
):
    create(kafka, topic, orders=6)

    def fail():
        with join() as member:
            poll_some(member, 6)
            raise ZeroDivisionError("The work on the first order fails.")

    with pytest.raises(ZeroDivisionError):
        fail()
    assert join().committed(Partition(topic, 0)) in (None, 0)


def committed(member, topic):
    (partition,) = member.committed([TopicPartition(topic, 0)], timeout=10)
    return partition.offset


def take_one(member):
    """Poll a member of librdkafka until an order comes, and return it."""
    taken = []
    assert until(lambda: taken.append(member.poll(0.2)) or taken[-1])
    return taken[-1]


def test_librdkafka_commits_an_order_while_it_is_being_worked_on(
    kafka, topic, join_librdkafka
):
    create(kafka, topic, orders=6)
    member = join_librdkafka(**{"auto.commit.interval.ms": 100})
    assert take_one(member).value() == b"0"
    assert until(lambda: committed(member, topic) == 1)


def test_librdkafka_commits_only_what_was_stored_if_told_to(
    kafka, topic, join_librdkafka
):
    create(kafka, topic, orders=6)
    settings = {"auto.commit.interval.ms": 100, "enable.auto.offset.store": False}
    member = join_librdkafka(**settings)
    order = take_one(member)
    time.sleep(1)  # Pretends to work, for ten intervals.
    assert committed(member, topic) == -1001  # There is none.
    member.store_offsets(order)
    assert until(lambda: committed(member, topic) == 1)


# The defaults of three clients.

DEFAULTS = {
    "session.timeout.ms": 45000,
    "heartbeat.interval.ms": 3000,
    "max.poll.interval.ms": 300000,
    "enable.auto.commit": True,
    "auto.commit.interval.ms": 5000,
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_kafka_python_consumer_has_the_default(name):
    assert KafkaConsumer.DEFAULT_CONFIG[name.replace(".", "_")] == DEFAULTS[name]


LIBRDKAFKA_DEFAULTS = {
    **{name: str(value).lower() for name, value in DEFAULTS.items()},
    "enable.auto.offset.store": "true",
    "partition.assignment.strategy": "range,roundrobin",
    "group.protocol": "classic",
    "topic.metadata.refresh.interval.ms": "300000",
}


@pytest.mark.parametrize("name", LIBRDKAFKA_DEFAULTS)
def test_librdkafka_consumer_has_the_default(name):
    library = ctypes.CDLL(cimpl.__file__)
    library.rd_kafka_conf_new.restype = ctypes.c_void_p
    conf = ctypes.c_void_p(library.rd_kafka_conf_new())
    value, size = ctypes.create_string_buffer(100), ctypes.c_size_t(100)
    library.rd_kafka_conf_get(conf, name.encode(), value, ctypes.byref(size))
    assert value.value.decode() == LIBRDKAFKA_DEFAULTS[name]


@cache
def java_page():
    """Return the page of the documentation that Java's consumer prints of itself."""
    command = java("org.apache.kafka.clients.consumer.ConsumerConfig")
    return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout


ASSIGNORS = "class org.apache.kafka.clients.consumer."
JAVA_DEFAULTS = {
    "session.timeout.ms": "45000 (45 seconds)",
    "heartbeat.interval.ms": "3000 (3 seconds)",
    "max.poll.interval.ms": "300000 (5 minutes)",
    "max.poll.records": "500",
    "enable.auto.commit": "true",
    "auto.commit.interval.ms": "5000 (5 seconds)",
    "metadata.max.age.ms": "300000 (5 minutes)",
    "group.protocol": "classic",
    "partition.assignment.strategy": (
        f"{ASSIGNORS}RangeAssignor,{ASSIGNORS}CooperativeStickyAssignor"
    ),
}


@pytest.mark.parametrize("name", JAVA_DEFAULTS)
def test_java_consumer_has_the_default(name):
    entry = rf'<a id="{name}"></a>.*?<th>Default:</th><td>(.*?)</td>'
    assert re.search(entry, java_page(), re.DOTALL)[1] == JAVA_DEFAULTS[name]

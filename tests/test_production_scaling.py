"""The claims of chapter 10 about growing, restarting node by node, and limits."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest
from brokers import kafka as start_kafka
from brokers import rabbitmq as start_rabbitmq
from brokers.tools import run
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import InvalidPartitionsError, NotEnoughReplicasError
from kafka.protocol.admin.topics import ElectionType
from production import (
    add_consumers_rabbitmq,
    add_partitions_and_consumers_kafka,
    cluster_grows_kafka,
    cluster_grows_rabbitmq,
    disk_full_kafka,
    disk_full_rabbitmq,
    limits_rabbitmq,
    memory_alarm_blocks_publishers_rabbitmq,
    quota_throttles_kafka,
    rolling_restart_kafka,
    rolling_restart_rabbitmq,
)
from waiting import until


def start_all(cluster):
    for node in cluster.nodes:
        if not node.running:
            node.start()


@pytest.fixture(scope="module")
def three_kafkas():
    """Three Kafka nodes for the tests of this module, which restart them."""
    # Otherwise Kafka itself gives leaders back, in the middle of a test perhaps.
    with start_kafka(3, settings={"auto.leader.rebalance.enable": "false"}) as cluster:
        yield cluster


@pytest.fixture
def cluster(three_kafkas):
    """The three Kafka nodes; after the test all are up again."""
    yield three_kafkas
    start_all(three_kafkas)


@pytest.fixture(scope="module")
def three_rabbits():
    """Three RabbitMQ nodes for the tests of this module, which restart them."""
    with start_rabbitmq(3) as cluster:
        yield cluster


@pytest.fixture
def rabbits(three_rabbits, queue):
    """The three RabbitMQ nodes; after the test all are up again, without the queue."""
    yield three_rabbits
    start_all(three_rabbits)
    with limits_rabbitmq.connect(three_rabbits.address) as connection:
        connection.channel().queue_delete(queue)


def lines(capsys):
    return capsys.readouterr().out.splitlines()


# More partitions and more consumers.


def test_kafka_new_partitions_take_no_part_of_the_backlog(kafka, topic, capsys):
    add_partitions_and_consumers_kafka.main(kafka, topic)
    assert lines(capsys)[1:] == [
        "a backlog of 40 is handled by [0, 0, 20, 20]",
        "40 new orders are handled by [10, 10, 10, 10]",
    ]


def test_kafka_consumer_looks_for_new_partitions_every_five_minutes():
    assert KafkaConsumer.DEFAULT_CONFIG["metadata_max_age_ms"] == 5 * 60 * 1000


def test_kafka_takes_no_partition_away(kafka, topic):
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        admin.create_topics({topic: {"num_partitions": 2}}, wait_for_metadata=True)
        with pytest.raises(InvalidPartitionsError):
            admin.create_partitions({topic: 1})


def test_rabbitmq_new_workers_share_the_backlog(rabbitmq, queue):
    add_consumers_rabbitmq.send_orders(rabbitmq, queue, 12)
    add_consumers_rabbitmq.work_together(rabbitmq, queue, 2, 4)
    add_consumers_rabbitmq.work_together(rabbitmq, queue, 4, 8)
    assert add_consumers_rabbitmq.waiting(rabbitmq, queue) == 0


# A node joins.


def test_kafka_new_node_holds_nothing_old_until_partitions_are_moved(
    cluster, topic, capsys
):
    cluster_grows_kafka.main(cluster, topic)
    assert lines(capsys)[1:] == [
        "node 3 has joined: [3, 3, 0]",
        "partitions were moved: [2, 2, 2]",
        "orders acknowledged, lost 0, twice 0",
    ]


def test_kafka_gives_a_node_that_has_joined_partitions_of_new_topics(cluster, topic):
    cluster.nodes[2].stop()
    cluster.nodes[2].start()
    names = (f"{topic}-{number}" for number in itertools.count())
    with KafkaAdminClient(bootstrap_servers=cluster.address) as admin:

        def has_some():
            name = next(names)
            cluster_grows_kafka.create(admin, name)
            return cluster_grows_kafka.replicas(admin, name)[2] > 0

        assert until(has_some)


def test_rabbitmq_queue_gets_no_member_on_a_new_node_by_itself(rabbits, queue, capsys):
    cluster_grows_rabbitmq.main(rabbits, run, queue)
    assert lines(capsys)[1:] == [
        "three nodes, members of the queue: 2",
        "confirmed while node 2 is lost: False",
        "after `grow`, members of the queue: 3",
        "confirmed while node 2 is lost: True",
    ]


# Node by node.


def test_kafka_rolling_restart_loses_nothing(cluster, topic, capsys):
    rolling_restart_kafka.main(cluster, topic)
    assert lines(capsys)[-1] == "orders acknowledged, lost 0, twice 0"


def test_kafka_refuses_orders_while_two_of_three_are_restarted_together(cluster, topic):
    rolling_restart_kafka.create(cluster.address, topic)
    first, *others = cluster.nodes
    for node in others:
        node.stop()
    # What is idempotent needs a controller, and of those there is no majority.
    single = {"acks": "all", "retries": 0, "enable_idempotence": False}
    with KafkaProducer(bootstrap_servers=first.address, **single) as producer:
        sent = producer.send(topic, b"order 1", partition=0)
        with pytest.raises(NotEnoughReplicasError):
            sent.get(timeout=20)


def test_kafka_restarted_node_leads_again_after_an_election(cluster, topic):
    bootstrap = cluster.address
    rolling_restart_kafka.create(bootstrap, topic)
    cluster.nodes[2].stop()
    cluster.nodes[2].start()
    rolling_restart_kafka.wait_until_whole(bootstrap)
    assert rolling_restart_kafka.led_by(bootstrap, topic) == [2, 1, 0]
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.elect_leaders(ElectionType.PREFERRED, {topic: [2]})
    assert until(lambda: rolling_restart_kafka.led_by(bootstrap, topic) == [1, 1, 1])


def test_rabbitmq_rolling_restart_loses_nothing(rabbits, queue, capsys):
    rolling_restart_rabbitmq.main(rabbits, run, queue)
    assert lines(capsys)[-2:] == [
        "orders confirmed, lost 0",
        "twice at most one for each cut: True",
    ]


def test_rabbitmq_tells_that_a_node_is_critical(rabbits, queue):
    rolling_restart_rabbitmq.declare(rabbits.address, queue)
    first, _, last = rabbits.nodes
    check = ("rabbitmq-diagnostics", "check_if_node_is_quorum_critical")
    codes = [run(first, *check).returncode]
    last.stop()
    codes.append(run(first, *check).returncode)
    assert codes == [0, 69]


# Limits.


def test_kafka_quota_holds_up_one_client_and_not_its_neighbour(cluster, topic, capsys):
    quota_throttles_kafka.main(cluster, run, topic)
    assert lines(capsys)[1:] == [
        "neighbour: all acknowledged, it was told to wait: False",
        "greedy is done: False",
        "greedy: all acknowledged, it was told to wait: True",
    ]


def test_rabbitmq_limits_of_a_virtual_host_refuse_what_is_too_much(rabbits, capsys):
    limits_rabbitmq.main(rabbits, run)
    assert [line.split(",")[0] for line in lines(capsys)] == [
        "first queue: declared",
        "second queue: refused",
        "second connection: refused",
        "the first connection publishes to the first queue",
        "without limits",
        "without limits",
    ]


# Out of memory, out of disk.


def test_rabbitmq_memory_alarm_tells_the_publisher_why_and_loses_nothing(
    rabbits, queue, capsys
):
    memory_alarm_blocks_publishers_rabbitmq.main(rabbits, run, queue)
    assert lines(capsys)[-5:] == [
        "order 4 is confirmed: False",
        "the node has enough memory",
        "confirmed: [4, 5, 6]",
        "the publisher was told: ['blocked, low on memory', 'unblocked']",
        "received: [4, 5, 6]",
    ]


def test_rabbitmq_disk_alarm_of_one_node_blocks_publishers_at_another(
    rabbits, queue, capsys
):
    disk_full_rabbitmq.main(rabbits, run, queue)
    assert lines(capsys)[2:6] == [
        "node 3, no alarm here: True",
        "node 3, no alarm anywhere: False",
        "received at node 3: [1, 2, 3]",
        "order 4 is confirmed at node 3: False",
    ]


def test_kafka_partition_outlives_the_full_disk_of_its_leader(cluster, topic, capsys):
    disk_full_kafka.main(cluster, topic)
    assert lines(capsys) == [
        "acknowledged: 30 of 30",
        "node 1 has ended",
        "node 1 leads: False",
        "node 1 was started with room, and three replicas are in sync",
        "found: 30 of 30, twice 0",
    ]


def test_kafka_partition_without_a_second_replica_waits_for_room(cluster, topic):
    full, address = cluster.nodes[0], cluster.address
    disk_full_kafka.leave_little_room(full)
    with KafkaAdminClient(bootstrap_servers=address) as admin:
        admin.create_topics({topic: {"assignments": {0: [1]}}}, wait_for_metadata=True)
    with ThreadPoolExecutor(1) as thread:
        sending = thread.submit(disk_full_kafka.send_orders, address, topic, 30)
        assert until(lambda: not full.running)
        assert not sending.done()
        full.start()
        assert sending.result(timeout=60) == 30
    assert disk_full_kafka.receive(address, topic) == list(range(1, 31))

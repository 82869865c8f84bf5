"""The claims of chapter 2, Kafka architecture, that take three nodes."""

import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NoAnswer

import pytest
from brokers import kafka as start_kafka
from brokers import rabbitmq as start_rabbitmq
from brokers.rabbitmq_node import rabbitmqctl
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import ConfigResource
from kafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    NotEnoughReplicasError,
    TopicAlreadyExistsError,
)
from kafka_architecture import (
    acks_all_keeps_kafka,
    acks_all_keeps_rabbitmq,
    acks_one_loses_kafka,
    isr_and_min_insync_kafka,
    kraft_quorum_kafka,
    kraft_quorum_rabbitmq,
    leader_killed_kafka,
    leader_killed_rabbitmq,
    unclean_election_loses_kafka,
)
from waiting import until


def start_all(cluster):
    """Start what a test has stopped and let go on what it has frozen."""
    for node in cluster.nodes:
        if node.running:
            node.resume()
        else:
            node.start()


@pytest.fixture(scope="module")
def three_kafkas():
    """Three Kafka nodes for the tests of this module, which stop and freeze them."""
    with start_kafka(nodes=3) as cluster:
        yield cluster


@pytest.fixture
def cluster(three_kafkas):
    """The three Kafka nodes; after the test all are up again, and as voters in step."""
    yield three_kafkas
    start_all(three_kafkas)
    assert until(lambda: all_are_back(three_kafkas.address))


def all_are_back(bootstrap):
    try:
        _, voters = kraft_quorum_kafka.describe_quorum(bootstrap)
        with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
            brokers = admin.describe_cluster()["brokers"]
    except KafkaError:  # It asked a node that is not up yet.
        return False
    return len(voters) == 3 and not any(each["is_fenced"] for each in brokers)


@pytest.fixture(scope="module")
def three_rabbits():
    """Three RabbitMQ nodes for the tests of this module, which stop and freeze them."""
    with start_rabbitmq(nodes=3) as cluster:
        yield cluster


def leader_of(node, queue):
    """Return the name of the node that leads the quorum queue, as `node` says."""
    rows = rabbitmqctl(node, "list_queues", "name", "leader").splitlines()
    return dict(map(str.split, rows))[queue].removesuffix("@localhost")


@pytest.fixture
def rabbits(three_rabbits):
    """The three RabbitMQ nodes; after the test all are up again."""
    yield three_rabbits
    start_all(three_rabbits)
    rabbitmqctl(three_rabbits.nodes[0], "await_online_nodes", "3")


@pytest.fixture
def admin(cluster):
    with KafkaAdminClient(bootstrap_servers=cluster.address) as admin:
        yield admin


def create(admin, topic, nodes, **settings):
    """Create a topic of one partition on `nodes`; `settings` have _ for each dot."""
    configs = {key.replace("_", "."): value for key, value in settings.items()}
    what = {"assignments": {0: nodes}, "configs": configs}
    try:
        admin.create_topics({topic: what}, wait_for_metadata=True)
    except TopicAlreadyExistsError:
        # The client asks a second time after a change of the controller, and the first
        # one may have created it.
        admin.wait_for_topics([topic])


def partition(bootstrap, topic):
    """Return what the cluster says about the only partition of the topic."""
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        return admin.describe_topic_partitions([topic])["topics"][0]["partitions"][0]


def send(bootstrap, topic, order, **settings):
    """Return the offset at which the order was acknowledged."""
    with KafkaProducer(bootstrap_servers=bootstrap, **settings) as producer:
        return producer.send(topic, order).get(timeout=20).offset


@pytest.fixture
def show(cluster, topic):
    """Return what a consumer of the topic is shown within some seconds."""
    with KafkaConsumer(
        topic, bootstrap_servers=cluster.address, auto_offset_reset="earliest"
    ) as consumer:

        def show(seconds):
            records = consumer.poll(timeout_ms=1000 * seconds)
            return [each.value for some in records.values() for each in some]

        yield show


# Metadata: a majority of the controllers decides, and one of them is active.


def test_two_of_three_controllers_choose_another_and_one_alone_decides_nothing(
    cluster, topic, capsys
):
    kraft_quorum_kafka.main(cluster, topic)
    assert capsys.readouterr().out == (
        "voters that keep up: 3, one of them is the active controller\n"
        "it was killed, voters that keep up: 2, another is active\n"
        "topic created: True\n"
        "one more was frozen, topic created: False\n"
        "order 2 is acknowledged\n"
        "it goes on, topic created: True\n"
        "the killed node was started, voters that keep up: 3\n"
    )


def test_rabbitmq_declares_a_queue_with_two_of_three_nodes_and_not_with_one(
    rabbits, queue, capsys
):
    kraft_quorum_rabbitmq.main(rabbits, queue)
    assert capsys.readouterr().out == (
        "one node was killed, queue declared: True\n"
        "one more was frozen, queue declared: False\n"
        "order 1 is confirmed\n"
        "it goes on, queue declared: True\n"
        "the killed node was started\n"
    )


def test_kafka_names_any_broker_to_who_asks_the_cluster_for_its_controller(admin):
    named = {admin.describe_cluster()["controller_id"] for _ in range(40)}
    assert len(named) > 1


def test_the_voters_of_a_static_quorum_leave_kraft_version_at_0(admin):
    features = admin.describe_features()
    assert features["kraft.version"]["supported"] == (0, 1)
    assert "finalized" not in features["kraft.version"]  # Kafka leaves out a zero.


# In sync: who counts, and what the minimum asks for.


def test_the_minimum_in_sync_binds_acks_all_and_hides_what_acks_1_has_written(
    cluster, topic, capsys
):
    isr_and_min_insync_kafka.main(cluster, topic)
    assert capsys.readouterr().out == (
        "of three replicas one was stopped, two are in sync\n"
        "minimum 2, acks=all: acknowledged\n"
        "minimum 3, acks=all: refused, not enough replicas\n"
        "minimum 3, acks=1:   acknowledged\n"
        "minimum 3, a consumer is shown []\n"
        "it was started, three are in sync\n"
        "minimum 3, a consumer is shown ['order 3']\n"
    )


def test_a_minimum_above_the_number_of_replicas_counts_as_that_number(
    cluster, admin, topic
):
    create(admin, topic, [1], min_insync_replicas="2")
    assert send(cluster.address, topic, b"order 1", acks="all") == 0


def test_a_producer_gives_up_on_too_few_replicas_when_its_time_is_over(
    cluster, admin, topic
):
    create(admin, topic, [1, 2], min_insync_replicas="2")
    cluster.nodes[1].stop()
    limits = {"delivery_timeout_ms": 2000, "request_timeout_ms": 1000}
    # An idempotent one might hang when it is closed after that.
    limits["enable_idempotence"] = False
    with pytest.raises((KafkaTimeoutError, NotEnoughReplicasError)):
        send(cluster.nodes[0].address, topic, b"order 1", **limits)


def test_consumers_are_shown_nothing_above_the_high_watermark(
    cluster, admin, topic, show
):
    create(admin, topic, [1, 2], min_insync_replicas="2")
    with KafkaProducer(bootstrap_servers=cluster.address, acks=1) as producer:
        producer.send(topic, b"order 1").get(timeout=10)
        assert show(seconds=20) == [b"order 1"]
        cluster.nodes[1].pause()
        time.sleep(1.5)  # The leader answers its last request within half a second.
        assert producer.send(topic, b"order 2").get(timeout=10).offset == 1
        assert show(seconds=1) == []
        cluster.nodes[1].resume()
        assert show(seconds=20) == [b"order 2"]


def test_a_frozen_follower_is_out_of_sync_when_its_session_ends(cluster, admin, topic):
    create(admin, topic, [1, 2])
    with KafkaProducer(bootstrap_servers=cluster.address) as producer:
        producer.send(topic, b"order 1").get(timeout=10)
        cluster.nodes[1].pause()
        frozen = time.monotonic()
        producer.send(topic, b"order 2").get(timeout=20)
    # Here the session lasts 3 seconds, and `replica.lag.time.max.ms` is 30.
    assert 2 < time.monotonic() - frozen < 20


# Acknowledgements, and the death of the leader.


def test_acks_1_loses_what_only_the_dead_leader_had(cluster, topic, capsys):
    acks_one_loses_kafka.main(cluster, topic)
    assert capsys.readouterr().out == (
        "acknowledged while the follower is frozen: 100 of 100\n"
        "the leader was killed, the follower leads, the old leader follows it\n"
        "acknowledged in the end: 100 of 100\n"
        "found: 0 of 100\n"
    )


def test_acks_all_keeps_what_it_has_acknowledged(cluster, topic, capsys):
    acks_all_keeps_kafka.main(cluster, topic)
    assert capsys.readouterr().out == (
        "acknowledged while the follower is frozen: 0 of 100\n"
        "the leader was killed, the follower leads, the old leader follows it\n"
        "acknowledged in the end: 100 of 100\n"
        "found: 100 of 100\n"
    )


def test_rabbitmq_leads_a_quorum_queue_on_the_node_that_was_asked_for_it(
    rabbits, queue
):
    for number, node in enumerate(rabbits.nodes, 1):
        acks_all_keeps_rabbitmq.declare(node.address, f"{queue}-{number}")
    for number, node in enumerate(rabbits.nodes, 1):
        assert leader_of(node, f"{queue}-{number}") == node.name


def test_rabbitmq_keeps_what_a_majority_has_confirmed(rabbits, queue, capsys):
    acks_all_keeps_rabbitmq.main(rabbits, queue)
    assert capsys.readouterr().out == (
        "confirmed while one of three members is frozen: 100 of 100\n"
        "the leader was killed, and the frozen member goes on\n"
        "found: 100 of 100\n"
    )


def test_rabbitmq_confirms_nothing_without_a_majority(rabbits, queue):
    leader, *others = rabbits.nodes
    acks_all_keeps_rabbitmq.declare(leader.address, queue)
    for node in others:
        node.pause()
    args = (acks_all_keeps_rabbitmq.send_orders, leader.address, queue, ["order 1"])
    with ThreadPoolExecutor(1) as thread:
        confirmed = thread.submit(*args)
        try:
            with pytest.raises(NoAnswer):
                confirmed.result(timeout=3)
        finally:
            for node in others:
                node.resume()
        assert confirmed.result(timeout=60) == 1


def test_a_killed_leader_costs_seconds_and_no_order(cluster, topic, capsys):
    leader_killed_kafka.main(cluster, topic)
    assert capsys.readouterr().out == (
        "sent 500, acknowledged 500, found 500\n"
        "lost 0, twice 0\n"
        "in the order in which they were sent: True\n"
        "longest gap over two seconds: True\n"
    )


def test_a_frozen_leader_is_waited_for_until_the_request_times_out(
    cluster, admin, topic
):
    create(admin, topic, [1, 2])
    with KafkaProducer(
        bootstrap_servers=cluster.address, request_timeout_ms=10000
    ) as producer:
        producer.send(topic, b"order 1").get(timeout=10)
        cluster.nodes[0].pause()
        frozen = time.monotonic()
        producer.send(topic, b"order 2").get(timeout=60)
        # Its session lasts 3 seconds here, and then the follower may lead.
        assert time.monotonic() - frozen > 9


def test_rabbitmq_has_a_new_leader_sooner_and_loses_no_order(rabbits, queue, capsys):
    leader_killed_rabbitmq.main(rabbits, queue)
    assert capsys.readouterr().out == (
        "sent 500, acknowledged 500, found 500\n"
        "lost 0, twice 0\n"
        "in the order in which they were sent: True\n"
        "longest gap over two seconds: False\n"
    )
    killed, *others = rabbits.nodes
    assert not killed.running
    assert leader_of(others[0], queue) in [each.name for each in others]


# Who may lead: a replica in sync, an eligible one, or by consent any.


def test_unclean_election_is_forbidden_by_default(admin, topic):
    create(admin, topic, [1])
    resource, name = ConfigResource("topic", topic), "unclean.leader.election.enable"

    def value():
        found = admin.describe_configs([resource], config_filter="all")["topic"]
        return found[topic].get(name, {}).get("value")

    assert until(lambda: value() == "false")  # A node hears of the topic by and by.


def test_an_unclean_election_loses_an_order_and_without_it_nobody_leads(
    cluster, topic, capsys
):
    unclean_election_loses_kafka.main(cluster, topic)
    assert capsys.readouterr().out == (
        "the follower was stopped, order 2 was acknowledged by the leader alone\n"
        "the leader was killed, the follower was started\n"
        "unclean election allowed: the follower leads\n"
        "forbidden: nobody leads\n"
        "the old leader was started\n"
        "unclean election allowed: ['order 1']\n"
        "forbidden: ['order 1', 'order 2']\n"
    )


def test_eligible_leader_replicas_are_finalised_on_a_new_cluster(admin):
    features = admin.describe_features()
    assert features["eligible.leader.replicas.version"]["finalized"] == (1, 1)


def test_a_replica_that_left_below_the_minimum_stays_eligible_and_leads(
    cluster, admin, topic
):
    leader, follower, other = cluster.nodes
    create(admin, topic, [1, 2], min_insync_replicas="2")
    send(cluster.address, topic, b"order 1")
    follower.stop()
    assert until(lambda: partition(leader.address, topic)["isr_nodes"] == [1])
    assert partition(leader.address, topic)["eligible_leader_replicas"] == [2]
    leader.kill()
    follower.start()
    unclean_election_loses_kafka.wait_for(
        f"{follower.address},{other.address}", topic, 2, {2}
    )

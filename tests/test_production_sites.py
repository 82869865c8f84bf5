"""Two brokers of a kind, of chapter 10: what of one is at the other when it is lost."""

import json
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from brokers import sites
from production import (
    backup_definitions_kafka,
    backup_definitions_rabbitmq,
    mirror_two_clusters_kafka,
    shovel_moves_messages_rabbitmq,
)
from production.federated_exchange_rabbitmq import (
    ask,
    federate,
    fetched,
    publish,
    receive,
)
from saving import save_queue_names

# RabbitMQ


@pytest.fixture(scope="module")
def two_rabbitmqs():
    """Two RabbitMQ nodes that know nothing of each other; tests stop them."""
    with sites.sites("rabbitmq") as both:
        yield both


@pytest.fixture
def apis(two_rabbitmqs):
    """The URLs of the HTTP APIs of near and far."""
    return [each.nodes[0].management for each in two_rabbitmqs]


@pytest.fixture
def linked(two_rabbitmqs, apis):
    """A function that has far's exchange fetch from near's of the same name."""
    near, far = two_rabbitmqs
    # Links are named after the cluster, which imported definitions have renamed.
    ask(apis[1], "PUT", "cluster-name", {"name": "far"})

    def linked(exchange, cleanup="never"):
        federate(far, near.address, exchange, exchange, "eu.*", cleanup)
        assert fetched(apis[0], exchange) == ["eu.*"]

    yield linked
    ask(apis[1], "DELETE", "policies/%2F/federate")


# These come first, since links leave names behind that definitions trip over.


def test_definitions_hold_the_hash_of_a_password_and_no_message(two_rabbitmqs, apis):
    program = backup_definitions_rabbitmq
    program.furnish(apis[0], two_rabbitmqs.near.address)
    backup = ask(apis[0], "GET", "definitions")
    ask(apis[1], "POST", "definitions", backup)
    assert all({"password_hash"} <= each.keys() for each in backup["users"])
    assert "lamp" not in json.dumps(backup)
    counts = [program.log_in(site.address, "shop", "lamp") for site in two_rabbitmqs]
    assert counts == [3, 0]


def test_definitions_name_the_cluster_that_takes_them(two_rabbitmqs, apis):
    ask(apis[1], "PUT", "cluster-name", {"name": "far"})
    ask(apis[1], "POST", "definitions", ask(apis[0], "GET", "definitions"))
    assert ask(apis[1], "GET", "cluster-name") == {"name": "near"}


def test_definitions_of_a_broker_that_others_federate_from_are_refused(
    linked, queue, apis
):
    linked(queue)
    backup = ask(apis[0], "GET", "definitions")
    with pytest.raises(HTTPError) as refusal:
        ask(apis[1], "POST", "definitions", backup)
    assert f"federation: {queue} -> far" in json.load(refusal.value)["reason"]


def test_definitions_without_the_bindings_of_links_are_taken(linked, queue, apis):
    linked(queue)
    backup = ask(apis[0], "GET", "definitions")
    backup["bindings"] = [
        each
        for each in backup["bindings"]
        if not each["destination"].startswith("federation: ")
    ]
    assert ask(apis[1], "POST", "definitions", backup) is None


def test_a_federated_exchange_fetches_only_what_is_bound(two_rabbitmqs, linked, queue):
    near, far = two_rabbitmqs
    linked(queue)
    publish(near.address, queue, "us.1", "eu.2")
    assert receive(far.address, queue) == "eu.2"


def test_a_killed_far_broker_gets_from_the_queue_of_the_link_what_it_missed(
    two_rabbitmqs, linked, queue
):
    near, far = two_rabbitmqs
    linked(queue, "default")
    far.kill()
    publish(near.address, queue, "eu.1")
    far.start()
    assert receive(far.address, queue) == "eu.1"


def test_a_far_broker_that_is_stopped_in_order_misses_by_default_what_came_meanwhile(
    two_rabbitmqs, linked, queue, apis
):
    near, far = two_rabbitmqs
    linked(queue, "default")
    far.stop()
    publish(near.address, queue, "eu.1")
    far.start()
    fetched(apis[0], queue)
    publish(near.address, queue, "eu.2")
    assert receive(far.address, queue) == "eu.2"


def test_a_shovel_leaves_messages_near_while_far_is_down(two_rabbitmqs, queue, apis):
    program = shovel_moves_messages_rabbitmq
    near, far = two_rabbitmqs
    for site in two_rabbitmqs:
        program.declare(site.address, queue)
    program.start_shovel(apis[0], near.address, far.address, queue)
    program.send_orders(near.address, queue, [1])
    program.wait_for(far.address, queue, 1)
    far.stop()
    program.send_orders(near.address, queue, [2, 3])
    assert program.wait_for(near.address, queue, 2) == 2
    far.start()
    assert program.wait_for(far.address, queue, 3) == 3


def test_a_shovel_takes_back_what_a_killed_far_broker_had_not_confirmed(
    two_rabbitmqs, queue, apis
):
    program = shovel_moves_messages_rabbitmq
    near, far = two_rabbitmqs
    for site in two_rabbitmqs:
        program.declare(site.address, queue)
    program.start_shovel(apis[0], near.address, far.address, queue)
    program.send_orders(near.address, queue, [1])
    program.wait_for(far.address, queue, 1)
    save_queue_names(far.nodes[0])
    far.pause()
    program.send_orders(near.address, queue, [2, 3])
    program.wait_for(near.address, queue, 0)  # They are under way.
    far.kill()
    assert program.wait_for(near.address, queue, 2) == 2
    far.start()
    assert program.wait_for(far.address, queue, 3) == 3


# Kafka


@pytest.fixture(scope="module")
def two_kafkas():
    """Two Kafka nodes that know nothing of each other; the last test kills near."""
    with sites.sites("kafka") as both:
        yield both


@pytest.fixture(scope="module")
def mirror(two_kafkas):
    """The URL of a Kafka Connect worker with MirrorMaker 2 at the far one."""
    with sites.mirror(two_kafkas.address) as url:
        yield url


def test_kafka_topics_are_made_again_with_settings_and_without_records(two_kafkas):
    program = backup_definitions_kafka
    near, far = (each.address for each in two_kafkas)
    program.furnish(near)
    program.restore(far, program.export(near))
    settings = {"cleanup.policy": "compact", "max.message.bytes": "2000000"}
    assert program.export(near)["orders"]["configs"] == settings
    assert program.export(far) == program.export(near)
    counts = [program.count(site, "orders", 3) for site in (near, far)]
    assert counts == [3, 0]


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("Source", "exactly.once.support", "requested"),
        ("Source", "heartbeats.replication.enabled", "true"),
        ("Source", "offset-syncs.topic.location", "source"),
        ("Source", "offset-syncs.topic.replication.factor", "3"),
        ("Source", "offset.lag.max", "100"),
        ("Source", "refresh.topics.interval.seconds", "600"),
        ("Source", "replication.factor", "2"),
        (
            "Source",
            "replication.policy.class",
            "org.apache.kafka.connect.mirror.DefaultReplicationPolicy",
        ),
        ("Source", "replication.policy.separator", "."),
        ("Source", "sync.topic.acls.enabled", "true"),
        ("Source", "sync.topic.acls.interval.seconds", "600"),
        ("Source", "sync.topic.configs.enabled", "true"),
        ("Source", "sync.topic.configs.interval.seconds", "600"),
        ("Source", "topics", ".*"),
        ("Checkpoint", "checkpoints.topic.replication.factor", "3"),
        ("Checkpoint", "emit.checkpoints.enabled", "true"),
        ("Checkpoint", "emit.checkpoints.interval.seconds", "60"),
        ("Checkpoint", "groups", ".*"),
        ("Checkpoint", "refresh.groups.interval.seconds", "600"),
        ("Checkpoint", "sync.group.offsets.enabled", "false"),
        ("Checkpoint", "sync.group.offsets.interval.seconds", "60"),
    ],
)
def test_mirrormaker_has_the_default(mirror, kind, name, value):
    plugin = f"{mirror}/connector-plugins/Mirror{kind}Connector/config"
    with urlopen(plugin, timeout=30) as answer:
        settings = {each["name"]: each["default_value"] for each in json.load(answer)}
    assert settings[name] == value


# It comes last, since its end is that of near.


def test_mirrored_offsets_are_early_and_what_was_not_copied_is_lost(
    two_kafkas, mirror, topic, capsys
):
    mirror_two_clusters_kafka.main(two_kafkas, mirror, topic)
    assert capsys.readouterr().out.splitlines() == [
        "committed, end: near (80, 100), far (1, 50)",
        "handled near: 51 to 80, far: 52 to 100",
        "handled at both: 29",
        "of 10 sent after the stop, far: 0",
    ]

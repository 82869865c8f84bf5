"""The Kafka half of the harness: real nodes that are stopped, killed and frozen.

They are this module's own, also for a reader who has a broker: it is not ours to stop.
"""

import os
import signal
import socket

import psutil
import pytest
from brokers import BrokerError, kafka
from brokers.process import HOST, listening
from brokers.reach import reach
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaTimeoutError
from listening import listeners
from waiting import until

ORDERS = [f"order {number}" for number in range(50)]


@pytest.fixture(scope="module")
def broker():
    """One node, which the tests of this module stop and start."""
    with kafka() as broker:
        yield broker


@pytest.fixture(scope="module")
def cluster():
    """Three nodes, one of which a test kills."""
    with kafka(nodes=3) as cluster:
        yield cluster


def send(address, topic, orders=ORDERS):
    """Send `orders`; every replica in sync has acknowledged them all."""
    with KafkaProducer(bootstrap_servers=address.split(","), acks="all") as producer:
        for sent in [producer.send(topic, order.encode()) for order in orders]:
            sent.get(timeout=20)


def receive(address, topic, count):
    """Return `count` orders, or fewer if nothing comes for ten seconds."""
    orders = []
    with KafkaConsumer(
        topic,
        bootstrap_servers=address.split(","),
        group_id=topic,
        auto_offset_reset="earliest",
        consumer_timeout_ms=10000,
    ) as consumer:
        for record in consumer:
            orders.append(record.value.decode())
            if len(orders) == count:
                break
    return orders


def partition(address, topic):
    """Return what the cluster says about the only partition of the topic."""
    with KafkaAdminClient(bootstrap_servers=address.split(",")) as admin:
        return admin.describe_topics([topic])[0]["partitions"][0]


def port_of(node):
    return int(node.address.rpartition(":")[2])


def test_everything_listens_on_loopback_only(broker):
    (node,) = broker.nodes
    found = listeners(psutil.Process(node.pid).parent())
    ports = {port for _, port in found}
    assert port_of(node) in ports
    assert len(ports) >= 2  # The controller's is one of them.
    assert {address for address, _ in found} == {HOST}


def test_stop_and_start_keep_the_data_and_the_port(broker, topic):
    send(broker.address, topic)
    address = broker.address
    broker.stop()
    assert not listening(port_of(broker.nodes[0]))
    broker.start()
    assert broker.address == address
    assert receive(address, topic, len(ORDERS)) == ORDERS


def test_a_node_that_dies_by_itself_is_noticed_and_starts_again(broker, topic):
    send(broker.address, topic)
    (node,) = broker.nodes
    os.kill(node.pid, signal.SIGKILL)
    assert until(lambda: not node.running)
    with pytest.raises(BrokerError, match="kafka-1 is not running"):
        node.pause()
    node.start()
    assert receive(broker.address, topic, len(ORDERS)) == ORDERS


def test_a_running_node_is_not_started_twice(broker):
    pid = broker.nodes[0].pid
    with pytest.raises(BrokerError, match="runs already"):
        broker.start()
    assert broker.nodes[0].pid == pid


def test_a_paused_node_acknowledges_only_after_resume(broker, topic):
    with KafkaProducer(bootstrap_servers=broker.address, acks="all") as producer:
        producer.send(topic, b"before").get(timeout=10)
        broker.pause()
        try:
            sent = producer.send(topic, b"meanwhile")
            with pytest.raises(KafkaTimeoutError):
                sent.get(timeout=1)
            assert broker.nodes[0].running
        finally:
            broker.resume()
        sent.get(timeout=10)
    assert receive(broker.address, topic, 2) == ["before", "meanwhile"]


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_paused_node_can_be_ended(broker, end):
    (node,) = broker.nodes
    process = psutil.Process(node.pid)
    broker.pause()
    getattr(node, end)()
    assert not node.running
    assert not process.is_running()
    node.start()


def test_a_node_that_cannot_start_says_why(broker):
    broker.stop()
    (node,) = broker.nodes
    settings = node.folder / "server.properties"
    good = settings.read_text()
    settings.write_text(good + "process.roles=baker\n")
    try:
        with pytest.raises(BrokerError, match=r"(?s)kafka-1 ended while.*baker"):
            broker.start()
    finally:
        settings.write_text(good)
        broker.start()


def test_an_address_that_kafka_advertises_in_vain_is_named(broker, monkeypatch):
    broker.stop()
    (node,) = broker.nodes
    settings = node.folder / "server.properties"
    good = settings.read_text()
    advertised = f"advertised.listeners=PLAINTEXT://{HOST}:"
    settings.write_text(good.replace(f"{advertised}{port_of(node)}", f"{advertised}1"))
    with monkeypatch.context() as patch:
        patch.setattr(node, "ready", lambda: listening(port_of(node)))
        node.start()
    try:
        with pytest.raises(BrokerError, match=r"correct its advertised\.listeners"):
            reach("kafka", broker.address)
    finally:
        node.stop()
        settings.write_text(good)
        node.start()


def test_a_node_that_is_too_slow_is_killed(broker):
    broker.stop()
    (node,) = broker.nodes
    deadline, node.deadline = node.deadline, 0.2
    try:
        with pytest.raises(BrokerError, match=r"not ready after 0\.2 seconds"):
            broker.start()
        assert not node.running
    finally:
        node.deadline = deadline
        broker.start()


def test_a_port_in_use_is_named(broker):
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        sentence = f"Port {port} is in use.*KAFKA_BOOTSTRAP_SERVERS=localhost:{port}"
        with pytest.raises(BrokerError, match=sentence), kafka(port=port):
            pass


def test_what_was_acknowledged_survives_the_leader_and_the_node_comes_back(
    cluster, topic
):
    with KafkaAdminClient(bootstrap_servers=cluster.address.split(",")) as admin:
        what = {"num_partitions": 1, "replication_factor": 3}
        admin.create_topics({topic: what}, wait_for_metadata=True)
    send(cluster.address, topic)
    leader = partition(cluster.address, topic)["leader_id"]
    lost = cluster.nodes[leader - 1]
    others = ",".join(node.address for node in cluster.nodes if node is not lost)
    lost.kill()
    send(others, topic, ["one more"])
    assert partition(others, topic)["leader_id"] != leader
    assert receive(others, topic, len(ORDERS) + 1) == [*ORDERS, "one more"]
    assert len(partition(others, "__consumer_offsets")["replica_nodes"]) == 3
    lost.start()
    assert until(lambda: len(partition(others, topic)["isr_nodes"]) == 3)

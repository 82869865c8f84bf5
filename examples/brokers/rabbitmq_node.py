"""RabbitMQ on this computer: one node or a cluster, in a temporary folder."""

import random
import secrets
import socket
import tempfile
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from .cache import BrokerError
from .process import (
    HOST,
    Broker,
    Node,
    check_free,
    check_platform,
    claim,
    free_ports,
    is_free,
    listening,
)
from .rabbitmq_install import Installation, install
from .tools import run

# Where RabbitMQ's default ports lie, counted from the one for AMQP 0-9-1, 5672.
MANAGEMENT, PROMETHEUS, DISTRIBUTION, STREAM = 10000, 10020, 20000, -120
# What is on at every node: an exchange type, and the protocol of streams, which alone
# drops what a publisher repeats.
PLUGINS = ("rabbitmq_consistent_hash_exchange", "rabbitmq_stream")

# Channels and queues say how they are each half second instead of each five seconds.
FRESH = """[{rabbit, [
    {collect_statistics_interval, 500},
    {quorum_tick_interval, 500}
]}].
"""


def free_port(count: int) -> int:
    """Return the first of `count` ports for AMQP in a row, claimed with all they need.

    They lie below those that the system gives to outgoing connections, so that no
    client takes the port of a node that is stopped and will start again.
    """
    offsets = (0, MANAGEMENT, PROMETHEUS, DISTRIBUTION, STREAM)
    while True:
        first = random.randrange(10200, 12700)
        ports = (first + each + offset for each in range(count) for offset in offsets)
        if all(claim(port) and is_free(port) for port in ports):
            return first


def answers(port: int) -> bool:
    """Tell whether a broker at `port` answers the protocol header of AMQP 0-9-1."""
    with socket.create_connection((HOST, port), timeout=5) as connection:
        connection.sendall(b"AMQP\x00\x00\x09\x01")
        return connection.recv(1) == b"\x01"  # A method frame: Connection.Start.


def configuration(port: int, names: Sequence[str]) -> dict[str, str]:
    """Return what rabbitmq.conf says for the node at `port` in a cluster of `names`."""
    values = {
        "listeners.tcp.1": f"{HOST}:{port}",
        "management.tcp.ip": HOST,
        "management.tcp.port": str(port + MANAGEMENT),
        "prometheus.tcp.ip": HOST,
        "prometheus.tcp.port": str(port + PROMETHEUS),
        "stream.listeners.tcp.1": f"{HOST}:{port + STREAM}",
        "stream.advertised_host": HOST,  # Clients are sent there by their first node.
        "vm_memory_high_watermark.absolute": "512MB",
    }
    if len(names) > 1:
        for number, name in enumerate(names, 1):
            values[f"cluster_formation.classic_config.nodes.{number}"] = name
    return values


def make_node(rabbit: Installation, folder: Path, port: int, epmd: int) -> Node:
    """Return the node that lives in `folder`, not yet started, with its epmd's port."""
    env = {
        **rabbit.env,
        "HOME": str(folder.parent),  # There is the cookie that a cluster shares.
        # For every Erlang process, also the short-lived ones that form a cluster.
        # The run's own epmd is there; a daemon that Erlang starts would stay behind.
        "ERL_AFLAGS": "-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false",
        "ERL_EPMD_PORT": str(epmd),
        "ERL_EPMD_ADDRESS": HOST,
        "RABBITMQ_NODENAME": f"{folder.name}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": HOST,
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(port + DISTRIBUTION),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "config"),
        "RABBITMQ_SCHEMA_DIR": str(folder / "schema"),
        # The script becomes the broker instead of watching it.
        "RUNNING_UNDER_SYSTEMD": "true",
    }
    command = [str(rabbit.sbin / "rabbitmq-server")]
    address = f"amqp://guest:guest@{HOST}:{port}/"
    return Node(
        folder.name,
        address,
        folder,
        command,
        env,
        ready=lambda: answers(port),
        metrics=f"http://{HOST}:{port + PROMETHEUS}/metrics",
        management=f"http://guest:guest@{HOST}:{port + MANAGEMENT}",
    )


def api_answers(base: str) -> bool:
    """Tell whether the HTTP API at a URL with user and password answers.

    For a moment after the node's start it says 500, since it has no figures yet.
    """
    user, _, address = base.removeprefix("http://").rpartition("@")
    basic = {"Authorization": f"Basic {b64encode(user.encode()).decode()}"}
    try:
        urlopen(
            Request(f"http://{address}/api/overview", headers=basic), timeout=5
        ).close()
    except HTTPError as error:
        error.close()
        return False
    except OSError:
        return False
    return True


def rabbitmqctl(node: Node, *arguments: str) -> str:
    """Run RabbitMQ's command line tool against `node` and return what it prints.

    Raises BrokerError with the tool's own words if it fails. Takes about a second.
    """
    answer = run(node, "rabbitmqctl", *arguments)
    if answer.returncode:
        what = " ".join(arguments)
        raise BrokerError(f"rabbitmqctl {what} failed: {answer.stderr.strip()}")
    return answer.stdout


def data_folder() -> tempfile.TemporaryDirectory:
    """Return a folder for data that is thrown away; SIGKILL of the run leaves it."""
    return tempfile.TemporaryDirectory(prefix="rabbitmq-", ignore_cleanup_errors=True)


@contextmanager
def rabbitmq(
    nodes: int = 1,
    port: int | None = None,
    plugins: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
    metrics: bool = False,
    management: bool = False,
    env: Mapping[str, str] | None = None,
) -> Iterator[Broker]:
    """Start RabbitMQ with `nodes` nodes and stop it at the end; its data goes with it.

    `port` is the first node's port for clients, and the other nodes have those after
    it; without it free ones are taken. Streams listen 120 below a node's port, and
    management 10000 and Prometheus 10020 above it, as in RabbitMQ's defaults, if
    `plugins`, which come to those in PLUGINS, enable them. `settings` are lines of
    rabbitmq.conf, which may read the environment `env`. `metrics` and `management` turn
    on what a node's URLs of that name lead to. Raises BrokerError if a port is in use
    or a node does not start.
    """
    check_platform()
    first = port or free_port(nodes)
    ports = range(first, first + nodes)
    if port:
        instead = f"AMQP_URL=amqp://guest:guest@localhost:{port}/"
        for each in ports:
            for number in (each, each + DISTRIBUTION, each + STREAM):
                check_free(number, "RabbitMQ", instead)
    optional = {"rabbitmq_prometheus": metrics, "rabbitmq_management": management}
    plugins = [*PLUGINS, *plugins, *(each for each, on in optional.items() if on)]
    rabbit = install()
    with data_folder() as folder:
        home = Path(folder)
        cookie = home / ".erlang.cookie"
        cookie.write_text(secrets.token_hex())
        cookie.chmod(0o400)
        (mapper,) = free_ports(1)
        command = [str(rabbit.epmd), "-port", str(mapper), "-address", HOST]
        address = f"{HOST}:{mapper}"
        epmd = Node("epmd", address, home, command, {}, lambda: listening(mapper))
        members = []
        for number, each in enumerate(ports, 1):
            path = home / f"rabbitmq-{number}"
            path.mkdir()
            names = [f"rabbitmq-{other}@localhost" for other in range(1, nodes + 1)]
            values = {**configuration(each, names), **(settings or {})}
            lines = [f"{key} = {value}\n" for key, value in values.items()]
            (path / "rabbitmq.conf").write_text("".join(lines))
            if metrics or management:
                (path / "advanced.config").write_text(FRESH)
            (path / "enabled_plugins").write_text(f"[{','.join(plugins)}].\n")
            node = make_node(rabbit, path, each, mapper)
            node.env |= env or {}
            if management:
                node.ready = lambda amqp=node.ready, base=node.management: (
                    amqp() and api_answers(base)
                )
            members.append(node)
        broker = Broker(members[0].address, rabbit.version, members)
        try:
            epmd.start()
            broker.start()
            yield broker
        finally:
            broker.kill()  # Nobody needs a good end: the data is thrown away.
            epmd.kill()

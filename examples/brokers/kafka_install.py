"""Get Kafka from Maven Central: the jars of `kafka.lock`, each checked by its SHA-256.

`python -m brokers.kafka_install VERSION` in `examples/` writes another version's lock.
"""

import hashlib
import os
import shutil
import sys
from functools import cache
from pathlib import Path

from .cache import BrokerError, once, track

LOCK = Path(__file__).with_name("kafka.lock")
HOW_TO_GET_IT = (
    "The first run downloads Kafka (45 MB) from Maven Central: connect to the network "
    "and run this again. Later runs need no network."
)


def locked_jars() -> dict[str, str]:
    """Return what the lock names: the SHA-256 of each `group:artifact:version`."""
    lines = (
        line.split()
        for line in LOCK.read_text().splitlines()
        if not line.startswith("#")
    )
    return dict(lines)


def version() -> str:
    """Return the Kafka version that the lock names."""
    (kafka,) = (jar for jar in locked_jars() if ":kafka_2.13:" in jar)
    return kafka.rpartition(":")[2]


def part() -> str:
    """Return the name of the cache's part that holds the jars."""
    return f"kafka-{version()}-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}"


@cache
def install() -> list[Path]:
    """Return Kafka's jars in the lock's order, downloaded on first use, always checked.

    Raises BrokerError if a jar is not the one that was locked, or cannot be had.
    """
    jars = locked_jars()
    home = once(part(), lambda staging, _: download(jars, staging))
    return [check(jar, home / file_name(jar), jars[jar]) for jar in jars]


def download(jars: dict[str, str], target: Path) -> None:
    """Download `jars` into the folder `target` and check each."""
    from jgo.maven import MavenContext  # Only the first run spends half a second on it.

    limits = (5, 60)  # Seconds to connect, and to wait for an answer.
    maven = MavenContext(repo_cache=target / "maven", timeout=limits)

    def fetch(jar: str) -> None:
        group, artifact, number = jar.split(":")
        project = maven.project(group, artifact)
        try:
            found = project.at_version(number).artifact().resolve()
        except (OSError, RuntimeError) as error:
            reason = f"{jar} could not be downloaded ({type(error).__name__})."
            raise BrokerError(f"{reason} {HOW_TO_GET_IT}") from error
        path = check(jar, found.rename(target / file_name(jar)), jars[jar])
        os.utime(path, (0, 0))  # The ahead-of-time cache holds for jars of one age.

    track("Kafka: downloading jars", map(fetch, jars), len(jars))
    shutil.rmtree(target / "maven")


def check(jar: str, path: Path, expected: str) -> Path:
    """Return `path` if its SHA-256 is the locked one, otherwise remove Kafka."""
    actual = (
        hashlib.sha256(path.read_bytes()).hexdigest()
        if path.exists()
        else "that of no file"
    )
    if actual != expected:
        shutil.rmtree(path.parent, ignore_errors=True)
        raise BrokerError(
            f"{path} is not the {jar} that {LOCK.name} names: its SHA-256 is {actual}, "
            f"not {expected}. The folder was removed: run this again to get it anew."
        )
    return path


def file_name(jar: str) -> str:
    """Return the name of a jar's file."""
    _, artifact, number = jar.split(":")
    return f"{artifact}-{number}.jar"


def write_lock(kafka: str) -> None:
    """Resolve Kafka's dependencies and write the lock.

    The exclamation marks keep the dependency management of one artifact from changing
    the version of another.
    """
    import jgo

    log4j = next(
        each.version
        for each in jgo.resolve(f"org.apache.kafka:kafka_2.13:{kafka}!")
        if each.artifactId == "log4j-core"
    )
    broker = f"org.apache.kafka:kafka_2.13:{kafka}!"
    logging = f"org.apache.logging.log4j:log4j-slf4j-impl:{log4j}!"
    lines = []
    for each in jgo.resolve(f"{broker}+{logging}"):
        digest = hashlib.sha256(each.resolve().read_bytes()).hexdigest()
        lines.append(f"{each.groupId}:{each.artifactId}:{each.version} {digest}")
    header = "# Each jar and its SHA-256, written by kafka_install.py.\n"
    LOCK.write_text(header + "\n".join(lines) + "\n")


if __name__ == "__main__":
    write_lock(sys.argv[1])

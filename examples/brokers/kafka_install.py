"""Get Kafka from Maven Central: the jars that `kafka.lock` names, each checked by its SHA-256.

`python -m brokers.kafka_install VERSION` in `examples/` writes the lock for another version.
"""

import hashlib
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from .cache import BrokerError, once, track

LOCK = Path(__file__).with_name("kafka.lock")
HOW_TO_GET_IT = (
    "The first run downloads Kafka (45 MB) from Maven Central: connect to the network and run this "
    "again. Later runs need no network."
)


def locked_jars() -> dict[str, str]:
    """Return what the lock names: the SHA-256 of each `group:artifact:version`."""
    lines = (line.split() for line in LOCK.read_text().splitlines() if not line.startswith("#"))
    return dict(lines)


def version() -> str:
    """Return the Kafka version that the lock names."""
    return next(jar for jar in locked_jars() if ":kafka_2.13:" in jar).rpartition(":")[2]


@cache
def install() -> list[Path]:
    """Return Kafka's jars, in the order of the lock, downloaded on first use and checked always.

    Raises BrokerError if a jar is not the one that was locked, or cannot be had.
    """
    jars = locked_jars()
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    home = once(f"kafka-{version()}-{digest}", lambda staging, _: download(jars, staging))
    paths = [home / file_name(jar) for jar in jars]
    for jar, path in zip(jars, paths, strict=True):
        check(jar, path, jars[jar])
    return paths


def download(jars: dict[str, str], target: Path) -> None:
    """Download `jars` into the folder `target`, four at a time, and check each."""
    from jgo.maven import MavenContext  # Half a second that only a first run needs to spend.

    maven = MavenContext(repo_cache=target / "maven", timeout=60)

    def fetch(jar: str) -> None:
        group, artifact, number = jar.split(":")
        try:
            found = maven.project(group, artifact).at_version(number).artifact().resolve()
        except (OSError, RuntimeError) as error:
            raise BrokerError(
                f"{jar} could not be downloaded ({error}). {HOW_TO_GET_IT}"
            ) from error
        path = found.rename(target / file_name(jar))
        check(jar, path, jars[jar])

    with ThreadPoolExecutor(4) as pool:
        track("Kafka: downloading jars", pool.map(fetch, jars), len(jars))
    shutil.rmtree(target / "maven")


def check(jar: str, path: Path, expected: str) -> None:
    """Refuse and remove a jar whose SHA-256 is not the locked one."""
    if not path.exists():
        raise BrokerError(
            f"{path.name} is missing from {path.parent}: delete that folder, and the next run "
            "downloads Kafka again."
        )
    actual = hashlib.sha256(path.read_bytes()).hexdigest()
    if actual != expected:
        path.unlink()
        raise BrokerError(
            f"{jar} is not the file that {LOCK.name} names (SHA-256 {actual}, expected {expected}). "
            f"It was removed: delete {path.parent} and run this again."
        )


def file_name(jar: str) -> str:
    """Return the name of a jar's file."""
    _, artifact, number = jar.split(":")
    return f"{artifact}-{number}.jar"


def write_lock(kafka: str) -> None:
    """Resolve Kafka's dependencies and write the lock.

    The exclamation marks keep the dependency management of one artifact from changing the version
    of another.
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
    header = "# Kafka's jars: group:artifact:version and SHA-256. Written by kafka_install.py.\n"
    LOCK.write_text(header + "\n".join(lines) + "\n")


if __name__ == "__main__":
    write_lock(sys.argv[1])

"""Get Java programs from Maven Central: what a lock names, each checked by its SHA-256.

`python -m brokers.maven KAFKA APICURIO AMQP DEBEZIUM JMX_EXPORTER PERF_TEST` in
`examples/` writes the locks of other versions.
"""

import hashlib
import os
import shutil
import sys
import tarfile
from functools import cache
from pathlib import Path

from .cache import BrokerError, once, track

TITLES = {
    "kafka": "Kafka",
    "kafka_streams": "Kafka Streams",
    "kafka_connect": "Kafka Connect",
    "kafka_mirror": "MirrorMaker 2",
    "kafka_tools": "Kafka's jar of tools",
    "debezium": "Debezium's PostgreSQL connector",
    "schema_registry": "Apicurio Registry",
    "amqp": "RabbitMQ's AMQP 1.0 client",
    "perf_test": "RabbitMQ PerfTest",
    "jmx_exporter": "JMX exporter for Prometheus",
}
COMPILER = "org.eclipse.jdt:ecj:3.40.0"  # Compiles on a Java without a compiler.
# What each lock is made of. Kafka's jars are left out of those that build on them.
KAFKA = {
    "kafka": ["org.apache.kafka:kafka_2.13:{}"],
    "kafka_streams": [
        "org.apache.kafka:kafka-streams:{}",
        COMPILER,
    ],
    "kafka_connect": [
        "org.apache.kafka:connect-runtime:{}",
        "org.apache.kafka:connect-file:{}",
        "org.apache.kafka:connect-json:{}",
    ],
    # Connect's jars are left out of what follows too.
    "kafka_mirror": ["org.apache.kafka:connect-mirror:{}"],
    # The two tools that measure need none of those.
    "kafka_tools": ["org.apache.kafka:kafka-tools:{}"],
}
PERF_TEST = ["com.rabbitmq:perf-test:{}"]
# The client of the same name in the group com.rabbitmq is the one of AMQP 0-9-1.
AMQP = ["com.rabbitmq.client:amqp-client:{}", COMPILER]
JMX_EXPORTER = "io.prometheus.jmx:jmx_prometheus_javaagent:{}"
# These two are archives, with all that they need.
APICURIO = "io.apicurio:apicurio-registry-app:{}:tar.gz:all"
DEBEZIUM = "io.debezium:debezium-connector-postgres:{}:tar.gz:plugin"


def lock(name: str) -> Path:
    """Return the lock called `name`."""
    return Path(__file__).with_name(f"{name}.lock")


def locked(name: str) -> dict[str, str]:
    """Return the SHA-256 of each artifact that a lock names.

    An artifact is `group:artifact:version`, with `:packaging:classifier` unless it is a
    plain jar.
    """
    lines = (
        line.split()
        for line in lock(name).read_text().splitlines()
        if not line.startswith("#")
    )
    return dict(lines)


def version(name: str = "kafka") -> str:
    """Return the version of the first artifact of a lock, which names the product."""
    return next(iter(locked(name))).split(":")[2]


def part(name: str = "kafka") -> str:
    """Return the name of the cache's part that holds what a lock names."""
    digest = hashlib.sha256(lock(name).read_bytes()).hexdigest()[:12]
    return f"{name}-{version(name)}-{digest}"


@cache
def install(name: str = "kafka") -> list[Path]:
    """Return the jars of a lock in its order, downloaded once, checked at each start.

    Raises BrokerError if a jar is not the one that was locked, or cannot be had.
    """
    jars = locked(name)
    home = once(part(name), lambda staging, _: download(name, staging))
    return [check(name, jar, home / file_name(jar)) for jar in jars]


@cache
def unpack(name: str) -> Path:
    """Return the folder with the content of a lock's only archive, downloaded once.

    Raises BrokerError if the archive is not the one that was locked, or cannot be had.
    """
    (archive,) = locked(name)

    def make(staging: Path, _: Path) -> None:
        download(name, staging)
        packed = staging / file_name(archive)
        with tarfile.open(packed) as content:
            content.extractall(staging, filter="data")
        packed.unlink()

    return once(part(name), make)


def fetch(name: str) -> None:
    """Get what a lock names if it is not here yet.

    Raises BrokerError if it cannot be had, or is not what was locked.
    """
    (unpack if ".tar.gz" in file_name(next(iter(locked(name)))) else install)(name)


def download(name: str, target: Path) -> None:
    """Download what a lock names into the folder `target` and check each."""
    from jgo.maven import MavenContext  # Only the first run spends half a second on it.

    limits = (5, 60)  # Seconds to connect, and to wait for an answer.
    maven = MavenContext(repo_cache=target / "maven", timeout=limits)

    def get(artifact: str) -> None:
        group, identifier, number, *form = artifact.split(":")
        packaging, classifier = form or ("jar", "")
        project = maven.project(group, identifier).at_version(number)
        try:
            found = project.artifact(classifier, packaging).resolve()
        except (OSError, RuntimeError) as error:
            raise BrokerError(
                f"{artifact} could not be downloaded ({type(error).__name__}). The "
                f"first run that needs {TITLES[name]} gets it from Maven Central: "
                "connect to the network and run this again. Later runs need no network."
            ) from error
        path = check(name, artifact, found.rename(target / file_name(artifact)))
        os.utime(path, (0, 0))  # The ahead-of-time cache holds for jars of one age.

    artifacts = locked(name)
    track(f"{TITLES[name]}: downloading", map(get, artifacts), len(artifacts))
    shutil.rmtree(target / "maven")


def check(name: str, artifact: str, path: Path) -> Path:
    """Return `path` if its SHA-256 is the locked one, otherwise remove its folder."""
    expected = locked(name)[artifact]
    actual = (
        hashlib.sha256(path.read_bytes()).hexdigest()
        if path.exists()
        else "that of no file"
    )
    if actual != expected:
        shutil.rmtree(path.parent, ignore_errors=True)
        raise BrokerError(
            f"{path} is not the {artifact} that {lock(name).name} names: its SHA-256 "
            f"is {actual}, not {expected}. The folder was removed: run this again to "
            "get it anew."
        )
    return path


def file_name(artifact: str) -> str:
    """Return the name of an artifact's file."""
    _, identifier, number, *form = artifact.split(":")
    packaging, classifier = form or ("jar", "")
    return f"{'-'.join(filter(None, (identifier, number, classifier)))}.{packaging}"


def write_locks(
    kafka: str,
    apicurio: str,
    amqp: str,
    debezium: str,
    jmx_exporter: str,
    perf_test: str,
) -> None:
    """Resolve the dependencies of these versions and write all locks."""
    base: set[str] = set()
    for name, pattern in KAFKA.items():
        roots = [each.format(kafka) for each in pattern]
        if name == "kafka":
            (log4j,) = {
                each.split(":")[2] for each in resolve(roots) if ":log4j-core:" in each
            }
            roots.append(f"org.apache.logging.log4j:log4j-slf4j-impl:{log4j}")
        found = resolve(roots)
        write_lock(name, {each: found[each] for each in found if each not in base})
        base |= set(found) if name in ("kafka", "kafka_connect") else set()
    write_lock("amqp", resolve([each.format(amqp) for each in AMQP]))
    write_archive_lock("schema_registry", APICURIO.format(apicurio))
    write_archive_lock("debezium", DEBEZIUM.format(debezium))
    write_lock("jmx_exporter", resolve([JMX_EXPORTER.format(jmx_exporter)]))
    write_lock("perf_test", resolve([each.format(perf_test) for each in PERF_TEST]))


def write_archive_lock(name: str, archive: str) -> None:
    """Write the lock called `name` with an archive's SHA-256."""
    from jgo.maven import MavenContext

    group, identifier, number, packaging, classifier = archive.split(":")
    project = MavenContext().project(group, identifier).at_version(number)
    write_lock(name, {archive: project.artifact(classifier, packaging).resolve()})


def resolve(roots: list[str]) -> dict[str, Path]:
    """Return the files of artifacts and of all that they need, by the artifact's name.

    The exclamation marks keep the dependency management of one artifact from changing
    the version of another.
    """
    import jgo

    found = {}
    for each in jgo.resolve("+".join(f"{root}!" for root in roots)):
        form = [each.packaging, each.classifier] if each.classifier else []
        name = ":".join([each.groupId, each.artifactId, each.version, *form])
        found[name] = each.resolve()
    return found


def write_lock(name: str, files: dict[str, Path]) -> None:
    """Write the lock called `name` with the SHA-256 of each artifact's file."""
    lines = [f"# What {TITLES[name]} needs and its SHA-256, written by maven.py."]
    for artifact, path in files.items():
        lines.append(f"{artifact} {hashlib.sha256(path.read_bytes()).hexdigest()}")
    lock(name).write_text("\n".join([*lines, ""]))


if __name__ == "__main__":
    write_locks(*sys.argv[1:])

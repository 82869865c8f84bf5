"""Measure what a reader waits for, and print it as a Markdown table.

`python -m nox -s bench` measures everything, which takes about ten minutes;
`python -m nox -s bench -- kafka html` measures two rows. Nothing else should run on the
machine meanwhile.
"""

import argparse
import gzip
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from unittest.mock import patch

import pika
import psutil

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "examples"))

from brokers import doctor, kafka, kafka_node, rabbitmq  # noqa: E402
from kafka import KafkaAdminClient, KafkaProducer  # noqa: E402

PAGE = ROOT / "_build" / "html" / "fundamentals" / "index.html"


def memory(broker):
    """Return the resident memory of the broker's nodes, in MB."""
    leaders = [psutil.Process(node.pid) for node in broker.nodes]
    everyone = [
        each for one in leaders for each in [one, *one.children(recursive=True)]
    ]
    return sum(each.memory_info().rss for each in everyone) / 1e6


def kafka_start(nodes=1):
    """Start Kafka and send one message that every node acknowledges."""
    start = time.perf_counter()
    with kafka(nodes=nodes) as broker:
        servers = broker.address.split(",")
        with KafkaAdminClient(bootstrap_servers=servers) as admin:
            topic = {"num_partitions": 1, "replication_factor": nodes}
            admin.create_topics({"orders": topic}, wait_for_metadata=True)
        with KafkaProducer(bootstrap_servers=servers, acks="all") as producer:
            producer.send("orders", b"order 1").get(timeout=30)
        return time.perf_counter() - start, memory(broker)


def kafka_start_without_cache():
    """The same without Java's ahead-of-time cache."""
    java = kafka_node.java

    def plain(*arguments):
        return java(*[each for each in arguments if "AOTCache" not in each])

    with patch.object(kafka_node, "java", plain):
        return kafka_start()


def rabbitmq_start(nodes=1):
    """Start RabbitMQ and send one message to a quorum queue on all nodes."""
    start = time.perf_counter()
    with rabbitmq(nodes=nodes) as broker:
        parameters = pika.URLParameters(broker.address)
        with pika.BlockingConnection(parameters) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            kind = {"x-queue-type": "quorum"}
            channel.queue_declare("orders", durable=True, arguments=kind)
            channel.basic_publish("", "orders", b"order 1")
        return time.perf_counter() - start, memory(broker)


@contextmanager
def copy_of_the_book():
    """A copy, so that nothing of the reader's is touched."""
    with tempfile.TemporaryDirectory(prefix="book-") as folder:
        shutil.copy(ROOT / "conf.py", folder)
        for name in ("book", "examples"):
            shutil.copytree(ROOT / name, Path(folder) / name)
        yield Path(folder)


def build(folder, builder):
    """Build the book in `folder` and return the seconds."""
    doctrees = ["-c", ".", "-d", f"doctrees/{builder}", "book", f"build/{builder}"]
    command = [sys.executable, "-m", "sphinx", "-b", builder, "-j", "2", "-q", "-W"]
    start = time.perf_counter()
    subprocess.run([*command, *doctrees], cwd=folder, check=True)
    return time.perf_counter() - start, None


def html():
    with copy_of_the_book() as folder:
        return build(folder, "html")


def html_again():
    with copy_of_the_book() as folder:
        build(folder, "html")
        os.utime(folder / "book" / "fundamentals" / "index.md")
        return build(folder, "html")


def epub():
    with copy_of_the_book() as folder:
        return build(folder, "epub")


def first_line():
    """Run an example against a broker that runs; stop the clock at its first line."""
    program = [
        sys.executable,
        str(ROOT / "examples"),
        "fundamentals/send_and_receive_kafka",
    ]
    with kafka() as broker:
        environment = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": broker.address}
        environment["PYTHONUNBUFFERED"] = "1"
        start = time.perf_counter()
        with subprocess.Popen(program, env=environment, stdout=subprocess.PIPE) as run:
            run.stdout.readline()
            seconds = time.perf_counter() - start
            run.communicate()
    return seconds, None


def all_examples():
    """Run all examples, with the start of their brokers."""
    start = time.perf_counter()
    program = [sys.executable, str(ROOT / "examples"), "--all"]
    subprocess.run(program, check=True, capture_output=True)
    return time.perf_counter() - start, None


ROWS = {
    "kafka": ("Kafka, one node: to the first acknowledged message", kafka_start),
    "kafka-plain": (
        "the same without the ahead-of-time cache",
        kafka_start_without_cache,
    ),
    "kafka-3": ("Kafka, three nodes", lambda: kafka_start(3)),
    "rabbitmq": ("RabbitMQ, one node: to the first confirmed message", rabbitmq_start),
    "rabbitmq-3": ("RabbitMQ, three nodes", lambda: rabbitmq_start(3)),
    "html": ("web pages, all", html),
    "html-again": ("web pages, after a change of one", html_again),
    "epub": ("ePub", epub),
    "example": ("an example: from its command to its first line", first_line),
    "examples": ("all examples, with their brokers", all_examples),
}


class Assets(HTMLParser):
    """Collects the files that a page loads."""

    def __init__(self):
        super().__init__()
        self.found = set()

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        loads = {"stylesheet", "preload", "icon"} & set(
            (values.get("rel") or "").split()
        )
        if tag == "link" and loads:
            self.found.add(values["href"])
        elif tag in ("script", "img", "iframe") and values.get("src"):
            self.found.add(values["src"])
        elif tag == "object":
            self.found.add(values["data"])


def weight(page):
    """Return what a page and the local files that it loads weigh, compressed, in kB.

    Counted are those that its HTML names, not those that a style sheet or script asks
    for. Fonts and pictures are compressed already.
    """
    assets = Assets()
    assets.feed(page.read_text())
    names = {name.partition("?")[0] for name in assets.found if "://" not in name}
    files = [page, *{(page.parent / name).resolve() for name in names}]
    packed = {".woff2", ".png", ".jpg", ".webp"}
    return (
        sum(
            len(data if file.suffix in packed else gzip.compress(data, 6))
            for file in files
            for data in [file.read_bytes()]
        )
        / 1000
    )


def machine():
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [each for each in info.read_text().splitlines() if "model name" in each]
        model = lines[0].partition(": ")[2] if lines else model
    return f"{model}; {doctor.computer()}; Python {platform.python_version()}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    choices = [*ROWS, "weight"]
    parser.add_argument("rows", nargs="*", metavar="row", help=", ".join(choices))
    parser.add_argument("--rounds", type=int, default=5, help="of each row; default 5")
    options = parser.parse_args()
    if unknown := set(options.rows) - set(choices):
        parser.error(
            f"there is no row {', '.join(unknown)}; there are {', '.join(choices)}"
        )
    chosen = options.rows or choices
    print(f"{machine()}; medians of {options.rounds}.\n")
    print("| what | seconds | from … to | ratio | memory |")
    print("|---|---:|---:|---:|---:|")
    first = None
    for row in [each for each in chosen if each in ROWS]:
        title, measure = ROWS[row]
        seconds, sizes = [], []
        for number in range(options.rounds):
            took, size = measure()
            seconds.append(took)
            sizes.append(size)
            print(f"{row} {number + 1}/{options.rounds}: {took:.2f} s", file=sys.stderr)
        median = statistics.median(seconds)
        first = first or median
        spread = f"{min(seconds):.2f} … {max(seconds):.2f}"
        size = f"{statistics.median(sizes):.0f} MB" if sizes[0] else ""
        print(f"| {title} | {median:.2f} | {spread} | {median / first:.1f} | {size} |")
        sys.stdout.flush()
    if "weight" in chosen:
        print(f"\n{PAGE.relative_to(ROOT)} weighs {weight(PAGE):.0f} kB, compressed.")


if __name__ == "__main__":
    main()

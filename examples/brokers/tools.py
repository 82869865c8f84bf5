"""The command line tools that an operator has, for a broker of this run."""

import os
import subprocess
from subprocess import CompletedProcess

from .kafka_node import java
from .process import Node
from .rabbitmq_install import install

# The scripts of Kafka's bin folder are not at Maven Central, the programs are.
KAFKA_TOOLS = {"kafka-configs": "kafka.admin.ConfigCommand"}


def run(node: Node, name: str, *arguments: str) -> CompletedProcess:
    """Run the tool `name` against `node`; return its exit code and what it wrote.

    The tools are RabbitMQ's and those of KAFKA_TOOLS. Takes one to two seconds; raises
    TimeoutExpired after a minute.
    """
    if name in KAFKA_TOOLS:
        command = java(KAFKA_TOOLS[name], "--bootstrap-server", node.address)
    else:
        command = [str(install().sbin / name), "--quiet"]
    return subprocess.run(
        [*command, *arguments],
        env={**os.environ, **node.env},
        capture_output=True,
        text=True,
        timeout=60,
    )

"""Keep both brokers running on their usual ports, so that every command in the book works."""

import time

from . import kafka, rabbitmq
from .cache import BrokerError, say


def serve() -> None:
    """Run Kafka on localhost:9092 and RabbitMQ on localhost:5672 until Ctrl-C or SIGTERM.

    Raises BrokerError if a port is in use or a broker ends by itself.
    """
    say("Kafka: starting …")
    with kafka(port=9092) as one:
        say("RabbitMQ: starting …")
        with rabbitmq(port=5672) as other:
            print(f"Kafka {one.version} listens on localhost:9092.", flush=True)
            print(f"RabbitMQ {other.version} listens on localhost:5672.", flush=True)
            print("Ctrl-C stops both and deletes their data.", flush=True)
            nodes = [*one.nodes, *other.nodes]
            while all(node.running for node in nodes):
                time.sleep(0.5)  # Nothing else to do than to be there.
            gone = next(node for node in nodes if not node.running)
            raise BrokerError(f"{gone.name} ended by itself. Its last log lines:\n{gone.log}")

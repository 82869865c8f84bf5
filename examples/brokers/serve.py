"""Keep both brokers running on their usual ports, for every command in the book."""

import contextlib
import time

from .cache import BrokerError, say
from .kafka_node import kafka
from .process import check_free
from .rabbitmq_node import rabbitmq
from .reach import NAME, USUAL, VARIABLE, reach, yours

PORT = {"kafka": 9092, "rabbitmq": 5672}
START = {"kafka": kafka, "rabbitmq": rabbitmq}


def serve() -> None:
    """Run Kafka on localhost:9092 and RabbitMQ on localhost:5672 until it is stopped.

    Where the reader has a broker, none is started. Raises BrokerError if a port is in
    use or a broker ends by itself.
    """
    names = [name for name in START if not yours(name)]
    for name in names:
        check_free(PORT[name], NAME[name], f"{VARIABLE[name]}={USUAL[name]}")
    with contextlib.ExitStack() as stack:
        nodes = []
        for name, title in NAME.items():
            if address := yours(name):
                reach(name, address)
                print(
                    f"{title} is yours, at the address in {VARIABLE[name]}.", flush=True
                )
                continue
            say(f"{title}: starting …")
            broker = stack.enter_context(START[name](port=PORT[name]))
            nodes += broker.nodes
            print(
                f"{title} {broker.version} listens on localhost:{PORT[name]}.",
                flush=True,
            )
        if not nodes:
            return
        print("Ctrl-C stops what was started and deletes its data.", flush=True)
        while all(node.running for node in nodes):
            time.sleep(0.5)  # Nothing else to do than to be there.
        gone = next(node for node in nodes if not node.running)
        raise BrokerError(f"{gone.name} ended by itself. {gone.last_words}")

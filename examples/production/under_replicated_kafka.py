"""One node of three stops, and three metrics tell what that means for producers.

Watch the minimum: the same two replicas in sync are just enough for one topic and too
few for the other, and only the second refuses orders.
"""

import time
from urllib.request import urlopen

from kafka import KafkaAdminClient, KafkaProducer
from kafka.errors import NotEnoughReplicasError

REPLICAS = "kafka_server_replicamanager"
NAMES = ["underreplicatedpartitions", "atminisrpartitioncount"]
NAMES += ["underminisrpartitioncount"]


def create(bootstrap, topic, minimum):
    """Create a topic of three replicas, with node 1 as the leader."""
    settings = {"min.insync.replicas": str(minimum)}
    what = {"assignments": {0: [1, 2, 3]}, "configs": settings}
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: what}, wait_for_metadata=True)


def counts(metrics):
    """Return how many partitions that this node leads are in each of the states."""
    with urlopen(metrics, timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if line[0] != "#")
    return [int(float(values[f"{REPLICAS}_{name}"])) for name in NAMES]


def show_when(metrics, expected):
    """Wait until the metrics have the `expected` values, and print them."""
    deadline = time.monotonic() + 60
    while (found := counts(metrics)) != expected:
        if time.monotonic() > deadline:
            raise TimeoutError(f"The metrics are {found}, not {expected}.")
        time.sleep(0.1)
    for name, value in zip(NAMES, found, strict=True):
        print(f"  {name:25} {value}")


def send_order(bootstrap, topic):
    """Return how a single attempt to send an order ends."""
    with KafkaProducer(bootstrap_servers=bootstrap, acks="all", retries=0) as producer:
        try:
            producer.send(topic, b"an order").get(timeout=10)
        except NotEnoughReplicasError:
            return "refused, not enough replicas"
        return "acknowledged"


def main(cluster, metrics):
    leader, _, follower = cluster.nodes
    create(cluster.address, "orders", minimum=2)
    create(cluster.address, "payments", minimum=3)
    print("three replicas; orders need two in sync, payments three:")
    show_when(metrics, [0, 1, 0])
    follower.stop()
    print("one node is stopped:")
    show_when(metrics, [2, 1, 1])
    for topic in ("orders", "payments"):
        print(f"  {topic}: {send_order(leader.address, topic)}")
    follower.start()
    print("it is back:")
    show_when(metrics, [0, 1, 0])
    print(f"  payments: {send_order(leader.address, 'payments')}")

"""A follower stops, and the minimum of replicas in sync decides what is taken.

Watch `acks`: only `all` asks for the minimum, and a consumer is shown nothing below it.
"""

import time
from itertools import islice

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import NotEnoughReplicasError


def create(bootstrap, topic, minimum):
    """Create a topic of three replicas, with node 1 as the leader."""
    settings = {"min.insync.replicas": str(minimum)}
    what = {"assignments": {0: [1, 2, 3]}, "configs": settings}
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: what}, wait_for_metadata=True)


def count_in_sync(bootstrap, topic):
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        return len(admin.describe_topics([topic])[0]["partitions"][0]["isr_nodes"])


def wait_for_in_sync(bootstrap, topic, count):
    """Wait until `count` replicas of the topic are in sync."""
    deadline = time.monotonic() + 30
    while count_in_sync(bootstrap, topic) != count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"There are not {count} replicas in sync.")
        time.sleep(0.1)


def send_order(bootstrap, topic, order, acks):
    """Return how a single attempt to send the order ends."""
    # Without `retries=0` the client tries on until `delivery_timeout_ms` is over.
    with KafkaProducer(bootstrap_servers=bootstrap, acks=acks, retries=0) as producer:
        try:
            producer.send(topic, order.encode()).get(timeout=10)
        except NotEnoughReplicasError:
            return "refused, not enough replicas"
        return "acknowledged"


def receive(bootstrap, topic, count):
    """Return `count` orders, or fewer if a consumer is shown none for five seconds."""
    with KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=5000,
    ) as consumer:
        return [record.value.decode() for record in islice(consumer, count)]


def main(cluster, topic="orders"):
    two, three = f"{topic}-minimum-2", f"{topic}-minimum-3"
    create(cluster.address, two, 2)
    create(cluster.address, three, 3)
    leader, other, follower = cluster.nodes
    follower.stop()
    rest = f"{leader.address},{other.address}"
    wait_for_in_sync(rest, two, 2)
    wait_for_in_sync(rest, three, 2)
    print("of three replicas one was stopped, two are in sync")
    print("minimum 2, acks=all:", send_order(rest, two, "order 1", "all"))
    print("minimum 3, acks=all:", send_order(rest, three, "order 2", "all"))
    print("minimum 3, acks=1:  ", send_order(rest, three, "order 3", 1))
    print("minimum 3, a consumer is shown", receive(rest, three, 1))
    follower.start()
    wait_for_in_sync(cluster.address, three, 3)
    print("it was started, three are in sync")
    print("minimum 3, a consumer is shown", receive(cluster.address, three, 1))

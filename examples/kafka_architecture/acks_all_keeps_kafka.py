"""An order is acknowledged when both replicas have it, so none dies with the leader.

Watch the follower: nothing is acknowledged while it is frozen, and all is in the end.
"""

import time
from itertools import islice

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

ACKS = "all"


def create(bootstrap, topic):
    """Create a topic with its leader on node 1 and its follower on node 2."""
    what = {"assignments": {0: [1, 2]}, "configs": {"min.insync.replicas": "2"}}
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: what}, wait_for_metadata=True)


def count_acknowledged(sent, seconds):
    """Return how many are acknowledged once all are, or when the time is over."""
    deadline = time.monotonic() + seconds
    while not all(each.succeeded() for each in sent) and time.monotonic() < deadline:
        time.sleep(0.01)
    return sum(each.succeeded() for each in sent)


def wait_for_leader(bootstrap, topic, leader):
    """Wait until node `leader` leads and both replicas are in sync."""
    deadline = time.monotonic() + 30
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        while True:
            partition = admin.describe_topics([topic])[0]["partitions"][0]
            if partition["leader_id"] == leader and len(partition["isr_nodes"]) == 2:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"Node {leader} does not lead.")
            time.sleep(0.1)


def receive(bootstrap, topic, count):
    """Return `count` orders, or fewer if none has come for five seconds."""
    with KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=5000,
    ) as consumer:
        return [record.value.decode() for record in islice(consumer, count)]


def main(cluster, topic="orders"):
    leader, follower, _ = cluster.nodes
    create(cluster.address, topic)
    with KafkaProducer(bootstrap_servers=cluster.address, acks=ACKS) as producer:
        producer.send(topic, b"order 0").get(timeout=10)
        follower.pause()
        time.sleep(1.5)  # The leader answers its last request within half a second.
        orders = [f"order {number}" for number in range(1, 101)]
        sent = [producer.send(topic, order.encode()) for order in orders]
        acknowledged = count_acknowledged(sent, 2)
        print(f"acknowledged while the follower is frozen: {acknowledged} of 100")
        leader.kill()
        follower.resume()
        leader.start()
        wait_for_leader(cluster.address, topic, 2)
        print("the leader was killed, the follower leads, the old leader follows it")
        print(f"acknowledged in the end: {count_acknowledged(sent, 30)} of 100")
    found = receive(cluster.address, topic, 101)
    print(f"found: {sum(order in found for order in orders)} of 100")

"""A replica that was not in sync leads, since the topic allows it, and loses an order.

Watch order 2: the leader acknowledged it while it was the only replica in sync.
"""

import time
from contextlib import suppress
from itertools import islice

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError


def create(bootstrap, topic, unclean):
    """Create a topic with its leader on node 1 and its follower on node 2."""
    settings = {"unclean.leader.election.enable": unclean, "min.insync.replicas": "1"}
    what = {"assignments": {0: [1, 2]}, "configs": settings}
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: what}, wait_for_metadata=True)


def wait_for(bootstrap, topic, leader, in_sync):
    """Wait until `leader` leads (-1: nobody) and the nodes `in_sync` are."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with suppress(KafkaError):  # It may ask a node that is gone.
            with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
                partition = admin.describe_topics([topic])[0]["partitions"][0]
            found = partition["leader_id"], set(partition["isr_nodes"])
            if found == (leader, in_sync):
                return
        time.sleep(0.1)
    raise TimeoutError(f"Node {leader} does not lead, or others are in sync.")


def send_order(bootstrap, topic, order):
    with KafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        producer.send(topic, order.encode()).get(timeout=10)


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
    leader, follower, other = cluster.nodes
    unclean, clean = f"{topic}-unclean", f"{topic}-clean"
    create(cluster.address, unclean, "true")
    create(cluster.address, clean, "false")
    for each in (unclean, clean):
        send_order(cluster.address, each, "order 1")
    follower.stop()
    for each in (unclean, clean):
        wait_for(f"{leader.address},{other.address}", each, 1, {1})
        send_order(leader.address, each, "order 2")
    print("the follower was stopped, order 2 was acknowledged by the leader alone")
    leader.kill()
    follower.start()
    print("the leader was killed, the follower was started")
    wait_for(f"{follower.address},{other.address}", unclean, 2, {2})
    print("unclean election allowed: the follower leads")
    wait_for(f"{follower.address},{other.address}", clean, -1, set())
    print("forbidden: nobody leads")
    leader.start()
    wait_for(cluster.address, unclean, 2, {1, 2})
    wait_for(cluster.address, clean, 1, {1, 2})
    print("the old leader was started")
    print("unclean election allowed:", receive(cluster.address, unclean, 2))
    print("forbidden:", receive(cluster.address, clean, 2))

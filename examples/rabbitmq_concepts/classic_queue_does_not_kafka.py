"""A partition with one replica is on one broker, and has no leader while that is down.

Watch the other brokers: they say that nobody leads it, and the order has no answer.
"""

import time
from contextlib import suppress
from itertools import islice

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError


def create(bootstrap, topic):
    """Create a topic of one partition with its only replica on node 1."""
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: {"assignments": {0: [1]}}}, wait_for_metadata=True)


def send_order(bootstrap, topic, order):
    """Send an order; return whether it is acknowledged within three seconds."""
    settings = {"delivery_timeout_ms": 3000, "request_timeout_ms": 1000}
    # An idempotent producer might hang when it is closed after that.
    settings["enable_idempotence"] = False
    with KafkaProducer(bootstrap_servers=bootstrap, acks="all", **settings) as producer:
        try:
            producer.send(topic, order.encode()).get(timeout=10)
        except KafkaTimeoutError:
            return "no answer"
        return "acknowledged"


def wait_for(bootstrap, topic, leader):
    """Wait until the brokers say that node `leader` leads (-1: nobody)."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with suppress(KafkaError):  # It may ask a node that is not up yet.
            with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
                partition = admin.describe_topics([topic])[0]["partitions"][0]
            if partition["leader_id"] == leader:
                return
        time.sleep(0.1)
    raise TimeoutError(f"Node {leader} does not lead.")


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
    home, second, third = cluster.nodes
    others = f"{second.address},{third.address}"
    create(cluster.address, topic)
    print("order 1:", send_order(cluster.address, topic, "order 1"))
    home.kill()
    wait_for(others, topic, -1)
    print("node 1, which has the partition, was killed: nobody leads")
    print("order 2:", send_order(others, topic, "order 2"))
    home.start()
    wait_for(others, topic, 1)
    print("node 1 was started: it leads")
    print("order 3:", send_order(others, topic, "order 3"))
    print("received:", receive(cluster.address, topic, 2))

"""The leader of a partition is killed while orders come; none is lost or doubled.

Watch the gap: the producer keeps the orders until another replica leads.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer


def create(bootstrap, topic):
    """Create a topic of three replicas, with node 1 as the leader."""
    what = {"assignments": {0: [1, 2, 3]}, "configs": {"min.insync.replicas": "2"}}
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: what}, wait_for_metadata=True)


def send_steadily(bootstrap, topic, orders, acknowledged):
    """Send 200 orders a second; note the time of each acknowledgement."""
    with KafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        for order in orders:
            sent = producer.send(topic, order.encode())
            sent.add_callback(lambda _: acknowledged.append(time.monotonic()))
            time.sleep(1 / 200)  # The customers order at this rate.
        producer.flush(timeout=60)


def wait_for(acknowledged, count):
    """Wait until `count` orders are acknowledged."""
    deadline = time.monotonic() + 30
    while len(acknowledged) < count:
        if time.monotonic() > deadline:
            raise TimeoutError("The orders are not acknowledged.")
        time.sleep(0.01)


def longest_gap(acknowledged):
    """Return the longest time from one acknowledgement to the next, in seconds."""
    return max(later - earlier for earlier, later in pairwise(acknowledged))


def receive(bootstrap, topic):
    """Return every order in the topic, until none has come for five seconds."""
    with KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=5000,
    ) as consumer:
        return [record.value.decode() for record in consumer]


def main(cluster, topic="orders"):
    leader, *others = cluster.nodes
    create(cluster.address, topic)
    orders = [f"order {number}" for number in range(1, 501)]
    acknowledged = []
    with ThreadPoolExecutor(1) as thread:
        args = (cluster.address, topic, orders, acknowledged)
        sending = thread.submit(send_steadily, *args)
        wait_for(acknowledged, 100)
        leader.kill()
        sending.result(timeout=90)
    found = receive(",".join(node.address for node in others), topic)
    print(f"sent {len(orders)}, acknowledged {len(acknowledged)}, found {len(found)}")
    print(f"lost {len(set(orders) - set(found))}, twice {len(found) - len(set(found))}")
    print(f"in the order in which they were sent: {found == orders}")
    print(f"longest gap over two seconds: {longest_gap(acknowledged) > 2}")

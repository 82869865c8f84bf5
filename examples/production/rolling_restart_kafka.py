"""Three nodes are restarted one after another while orders come, and none is lost.

Watch what each step waits for, and who leads when all three are back.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer


def create(bootstrap, topic):
    """Create three partitions of three replicas; each node is the first of one."""
    places = {0: [1, 2, 3], 1: [2, 3, 1], 2: [3, 1, 2]}
    what = {"assignments": places, "configs": {"min.insync.replicas": "2"}}
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: what}, wait_for_metadata=True)


def send_steadily(bootstrap, topic, stop):
    """Send 100 orders a second until told to stop; return those acknowledged."""
    acknowledged = []
    with KafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        while not stop.is_set():
            order = len(acknowledged) + 1
            producer.send(topic, str(order).encode(), partition=order % 3).get(60)
            acknowledged.append(order)
            stop.wait(1 / 100)  # The customers order at this rate.
    return acknowledged


def find(bootstrap, topics=None):
    """Return the partitions of the topics, by default of all, internal ones too."""
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        described = admin.describe_topics(topics)
        return [each for topic in described for each in topic["partitions"]]


def wait_until_whole(bootstrap):
    """Wait until every replica of every partition is in sync."""
    deadline = time.monotonic() + 60
    while any(len(p["isr_nodes"]) < len(p["replica_nodes"]) for p in find(bootstrap)):
        if time.monotonic() > deadline:
            raise TimeoutError("There are still under-replicated partitions.")
        time.sleep(0.1)


def led_by(bootstrap, topic):
    leaders = [each["leader_id"] for each in find(bootstrap, [topic])]
    return [leaders.count(node) for node in (1, 2, 3)]


def receive(bootstrap, topic):
    """Return every order in the topic, until none has come for three seconds."""
    limits = {"auto_offset_reset": "earliest", "consumer_timeout_ms": 3000}
    with KafkaConsumer(topic, bootstrap_servers=bootstrap, **limits) as consumer:
        return [int(record.value) for record in consumer]


def main(cluster, topic="orders"):
    bootstrap, stop = cluster.address, Event()
    create(bootstrap, topic)
    print("partitions led by nodes 1, 2 and 3:", led_by(bootstrap, topic))
    with ThreadPoolExecutor(1) as thread:
        sending = thread.submit(send_steadily, bootstrap, topic, stop)
        try:
            for number, node in enumerate(cluster.nodes, 1):
                wait_until_whole(bootstrap)
                node.stop()
                node.start()
                print(f"node {number} was stopped and started")
            wait_until_whole(bootstrap)
        finally:
            stop.set()
        acknowledged = sending.result(timeout=60)
    print("partitions led by nodes 1, 2 and 3:", led_by(bootstrap, topic))
    found = receive(bootstrap, topic)
    lost = len(set(acknowledged) - set(found))
    print(f"orders acknowledged, lost {lost}, twice {len(found) - len(set(found))}")

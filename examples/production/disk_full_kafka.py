"""The disk of a partition's leader is full: that node ends, and the partition goes on.

Watch node 1 when it has room again: it holds all that was acknowledged meanwhile.
"""

import os
import time

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

PHOTO = os.urandom(900_000)  # Each order carries one, which nothing can compress.


def create(bootstrap, topic):
    """Create a topic of three replicas, with node 1 as the leader."""
    what = {"assignments": {0: [1, 2, 3]}, "configs": {"min.insync.replicas": "2"}}
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: what}, wait_for_metadata=True)


def leave_little_room(node):
    """Restart the node so that no file of it can grow beyond 16 MiB.

    Kafka takes every error of a write as the end of that disk. The limit gives "File
    too large" where a full disk gives "No space left on device", and harms no other.
    """
    node.stop()
    limited = 'ulimit -f 32768; exec "$0" "$@"'  # It counts in blocks of 512 bytes.
    plain, node.command = node.command, ["/bin/sh", "-c", limited, *node.command]
    node.start()
    node.command = plain  # From its next start on there is room.


def send_orders(bootstrap, topic, count):
    """Send the orders, waiting for each acknowledgement; return how many came."""
    with KafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        for number in range(1, count + 1):
            key = str(number).encode()
            producer.send(topic, PHOTO, key=key).get(timeout=60)
        return count


def wait_for(fact, what):
    deadline = time.monotonic() + 60
    while not fact():
        if time.monotonic() > deadline:
            raise TimeoutError(f"In a minute this did not come true: {what}.")
        time.sleep(0.1)


def describe(bootstrap, topic):
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        return admin.describe_topics([topic])[0]["partitions"][0]


def receive(bootstrap, topic):
    """Return the number of each order, until none has come for five seconds."""
    limits = {"auto_offset_reset": "earliest", "consumer_timeout_ms": 5000}
    with KafkaConsumer(topic, bootstrap_servers=bootstrap, **limits) as consumer:
        return [int(record.key) for record in consumer]


def main(cluster, topic="orders"):
    full, *others = cluster.nodes
    rest = ",".join(node.address for node in others)
    leave_little_room(full)
    create(cluster.address, topic)
    print("acknowledged:", send_orders(cluster.address, topic, 30), "of 30")
    wait_for(lambda: not full.running, "node 1 has ended")
    print("node 1 has ended")
    print("node 1 leads:", describe(rest, topic)["leader_id"] == 1)
    full.start()
    whole = "three replicas are in sync"
    wait_for(lambda: len(describe(rest, topic)["isr_nodes"]) == 3, whole)
    print(f"node 1 was started with room, and {whole}")
    others[0].stop()
    rest = f"{full.address},{others[1].address}"
    found = receive(rest, topic)
    print(f"found: {len(set(found))} of 30, twice {len(found) - len(set(found))}")

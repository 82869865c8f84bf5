"""A node joins a running cluster and holds nothing until partitions are moved to it.

Watch node 3: it idles, then it has a share, and orders come all the time.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition


def create(admin, topic):
    """Create three partitions of two replicas, and let Kafka choose the nodes."""
    what = {"num_partitions": 3, "replication_factor": 2}
    admin.create_topics({topic: what}, wait_for_metadata=True)


def send_steadily(bootstrap, topic, stop):
    """Send 100 orders a second until told to stop; return those acknowledged."""
    acknowledged = []
    with KafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        while not stop.is_set():
            order = str(len(acknowledged))
            producer.send(topic, order.encode()).get(timeout=60)
            acknowledged.append(order)
            stop.wait(1 / 100)  # The customers order at this rate.
    return acknowledged


def replicas(admin, topic):
    """Return how many replicas nodes 1, 2 and 3 hold."""
    (found,) = admin.describe_topics([topic])
    every = [node for each in found["partitions"] for node in each["replica_nodes"]]
    return [every.count(node) for node in (1, 2, 3)]


def even(counts):
    return counts if len(set(counts)) == 1 else None


def wait_for(fact):
    """Return what `fact` returns, as soon as that is something."""
    deadline = time.monotonic() + 60
    while not (found := fact()):
        if time.monotonic() > deadline:
            raise TimeoutError("It did not become so within a minute.")
        time.sleep(0.1)
    return found


def are_ready(admin):
    return not any(each["is_fenced"] for each in admin.describe_cluster()["brokers"])


def receive(bootstrap, topic):
    """Return every order in the topic, until none has come for three seconds."""
    limits = {"auto_offset_reset": "earliest", "consumer_timeout_ms": 3000}
    with KafkaConsumer(topic, bootstrap_servers=bootstrap, **limits) as consumer:
        return [record.value.decode() for record in consumer]


def main(cluster, topic="orders"):
    first, second, new = cluster.nodes
    old, stop = f"{first.address},{second.address}", Event()
    new.stop()  # It is the new one: nobody has it yet.
    with KafkaAdminClient(bootstrap_servers=old) as admin, ThreadPoolExecutor() as pool:
        create(admin, topic)
        print("replicas on nodes 1, 2 and 3:", replicas(admin, topic))
        sending = pool.submit(send_steadily, old, topic, stop)
        try:
            new.start()
            wait_for(lambda: are_ready(admin))
            print("node 3 has joined:", replicas(admin, topic))
            plan = enumerate([[1, 2], [2, 3], [3, 1]])
            places = {TopicPartition(topic, each): nodes for each, nodes in plan}
            admin.alter_partition_reassignments(places)
            moved = wait_for(lambda: even(replicas(admin, topic)))
            print("partitions were moved:", moved)
        finally:
            stop.set()
        acknowledged, found = sending.result(timeout=60), receive(old, topic)
    lost = len(set(acknowledged) - set(found))
    print(f"orders acknowledged, lost {lost}, twice {len(found) - len(set(found))}")

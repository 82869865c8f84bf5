"""The in-sync set falls below its minimum: what acks=1 and acks=all get meanwhile.

The topic has two replicas and a minimum of two in sync. The follower is killed, orders
are sent, a reader looks, and the follower comes back.
"""

import time
from contextlib import suppress
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError
from labs.checker import Outcome, account

BROKERS = {"kafka": 3}
CLIENTS = ("kafka-python",)
VARIANTS = ("acks=1", "acks=all")
BEFORE, BELOW, AFTER = range(100), range(100, 200), range(200, 300)


def create(servers, topic):
    """Create the topic and return its partition, as the cluster describes it."""
    layout = {
        "num_partitions": 1,
        "replication_factor": 2,
        "configs": {"min.insync.replicas": "2"},
    }
    with KafkaAdminClient(bootstrap_servers=servers) as admin:
        admin.create_topics({topic: layout}, wait_for_metadata=True)
    return wait_for_replicas(servers, topic, 2)


def wait_for_replicas(servers, topic, count):
    """Return the partition's description once so many replicas are in sync."""
    deadline = time.monotonic() + 60
    with KafkaAdminClient(bootstrap_servers=servers) as admin:
        while time.monotonic() < deadline:
            with suppress(KafkaError):  # It may ask a node that has just come or gone.
                for partition in admin.describe_topics([topic])[0]["partitions"]:
                    if len(partition["isr_nodes"]) == count:
                        return partition
            time.sleep(0.05)
    raise TimeoutError(f"There were not {count} replicas in sync within 60 seconds.")


def send(servers, topic, acks, numbers):
    """Send the numbers; return those that were acknowledged within 5 seconds."""
    acknowledged = []
    with KafkaProducer(
        bootstrap_servers=servers,
        acks=acks,
        # kafka-python 3.0.12 can hang when it closes an idempotent producer of which a
        # record has expired.
        enable_idempotence=False,
        request_timeout_ms=2000,
        delivery_timeout_ms=5000,
    ) as producer:
        sent = {
            number: producer.send(topic, str(number).encode()) for number in numbers
        }
        for number, future in sent.items():
            try:
                future.get(10)
            except KafkaError:
                continue  # Not acknowledged: this is what the lab counts.
            acknowledged.append(number)
    return acknowledged


def read(servers, topic):
    """Return every number that a reader gets, until none has come for 2 seconds."""
    with KafkaConsumer(
        topic,
        bootstrap_servers=servers,
        auto_offset_reset="earliest",
        consumer_timeout_ms=2000,
    ) as reader:
        return [int(record.value) for record in reader]


def run(brokers, variant, note):
    """Run one variant; the cluster is whole when it returns."""
    cluster, topic = brokers["kafka"], f"orders-{uuid4().hex[:8]}"
    servers, acks = cluster.address, variant.removeprefix("acks=")
    acks = int(acks) if acks.isdigit() else acks
    partition = create(servers, topic)
    (follower,) = set(partition["replica_nodes"]) - {partition["leader_id"]}
    confirmed = send(servers, topic, acks, BEFORE)
    note(f"two in sync: {len(confirmed)} of 100 acknowledged")
    killed = time.monotonic()
    cluster.nodes[follower - 1].kill()
    leader = cluster.nodes[partition["leader_id"] - 1].address
    wait_for_replicas(leader, topic, 1)
    shrunk = time.monotonic()
    note("the follower is killed and out of the in-sync set")
    below = send(servers, topic, acks, BELOW)
    note(f"one in sync: {len(below)} of 100 acknowledged")
    visible = len(set(read(servers, topic)) & set(BELOW))
    note(f"readers get {visible} of those")
    returned = time.monotonic()
    cluster.nodes[follower - 1].start()
    wait_for_replicas(servers, topic, 2)
    grown = time.monotonic()
    note("the follower is back in the in-sync set")
    after = send(servers, topic, acks, AFTER)
    note(f"two in sync: {len(after)} of 100 acknowledged")
    delivered = read(servers, topic)
    note("everything was read")
    return Outcome(
        account(range(300), [*confirmed, *below, *after], delivered),
        {"confirmed below": len(below), "shown meanwhile": visible},
        {
            "from the kill until the set shrank": shrunk - killed,
            "from the start until the set grew": grown - returned,
        },
    )

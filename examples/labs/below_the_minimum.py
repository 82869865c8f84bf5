"""The in-sync set falls below its minimum: what acks=1 and acks=all get meanwhile.

The topic has two replicas and a minimum of two in sync. The follower is killed, orders
are sent, a reader looks, and the follower comes back.
"""

import time

from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError
from labs.checker import Outcome, account
from labs.kafka_topics import new_topic, wait_for_replicas

BROKERS = {"kafka": 3}
CLIENTS = ("kafka-python",)
VARIANTS = ("acks=1", "acks=all")
BEFORE, BELOW, AFTER = range(100), range(100, 200), range(200, 300)


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
    cluster = brokers["kafka"]
    servers, acks = cluster.address, variant.removeprefix("acks=")
    acks = int(acks) if acks.isdigit() else acks
    topic = new_topic(servers, replicas=2)
    partition = wait_for_replicas(servers, topic, 2)
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

"""The active controller is killed, and a majority of the controllers chooses another.

Watch the node that is left alone: it creates no topic, and it still takes orders.
"""

import time
from contextlib import suppress

from kafka import KafkaAdminClient, KafkaProducer
from kafka.errors import KafkaError


def describe_quorum(bootstrap):
    """Return the active controller's id and those of the voters that keep up."""
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        topics = admin.describe_metadata_quorum()["topics"]
    (quorum,) = topics[0]["partitions"]
    caught_up = {
        voter["replica_id"]: voter["last_caught_up_timestamp"]
        for voter in quorum["current_voters"]
    }
    recent = max(caught_up.values()) - 2000  # Followers ask twice a second.
    return quorum["leader_id"], [each for each, at in caught_up.items() if at > recent]


def wait_for_voters(bootstrap, count, former=None):
    """Wait until `count` voters keep up with a controller that is not `former`."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with suppress(KafkaError):  # It may ask a node that is gone.
            active, voters = describe_quorum(bootstrap)
            if len(voters) == count and active != former:
                return active, voters
        time.sleep(0.1)
    raise TimeoutError(f"There are not {count} voters that keep up.")


def create_topic(bootstrap, topic, node, seconds):
    """Tell whether a topic on `node` can be created within `seconds`."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        with suppress(KafkaError):  # It may ask a node that is gone.
            limits = {"request_timeout_ms": int(left * 1000)}
            with KafkaAdminClient(bootstrap_servers=bootstrap, **limits) as admin:
                admin.create_topics({topic: {"assignments": {0: [node]}}})
                return True
        time.sleep(0.1)
    return False


def main(cluster, topic="orders"):
    active, voters = wait_for_voters(cluster.address, 3)
    print(f"voters that keep up: {len(voters)}, one of them is the active controller")
    killed = cluster.nodes[active - 1]
    killed.kill()
    _, voters = wait_for_voters(cluster.address, 2, former=active)
    print(f"it was killed, voters that keep up: {len(voters)}, another is active")
    frozen, last = voters
    alone = cluster.nodes[last - 1].address
    print("topic created:", create_topic(alone, topic, last, 20))
    with KafkaProducer(bootstrap_servers=alone) as producer:
        producer.send(topic, b"order 1").get(timeout=10)
        cluster.nodes[frozen - 1].pause()
        created = create_topic(alone, f"{topic}-2", last, 3)
        print("one more was frozen, topic created:", created)
        producer.send(topic, b"order 2").get(timeout=10)
        print("order 2 is acknowledged")
    cluster.nodes[frozen - 1].resume()
    print("it goes on, topic created:", create_topic(alone, f"{topic}-3", last, 20))
    killed.start()
    _, voters = wait_for_voters(cluster.address, 3)
    print(f"the killed node was started, voters that keep up: {len(voters)}")

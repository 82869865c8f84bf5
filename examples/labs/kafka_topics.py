"""Topics of Kafka for the labs, and how many replicas of one are in sync."""

import time
from contextlib import suppress
from uuid import uuid4

from kafka import KafkaAdminClient
from kafka.errors import KafkaError


def new_topic(servers, replicas=3, partitions=1, settings=None):
    """Create a topic, return its name; two replicas must be in sync, or its only one.

    `settings` are the topic's other ones.
    """
    topic = f"orders-{uuid4().hex[:8]}"
    layout = {
        "num_partitions": partitions,
        "replication_factor": replicas,
        "configs": {"min.insync.replicas": str(min(2, replicas)), **(settings or {})},
    }
    with KafkaAdminClient(bootstrap_servers=servers) as admin:
        admin.create_topics({topic: layout}, wait_for_metadata=True)
    return topic


def wait_for_replicas(servers, topic, count=3):
    """Return what the cluster says of the partition once so many replicas are in sync.

    Raises TimeoutError after 60 seconds.
    """
    deadline = time.monotonic() + 60
    with KafkaAdminClient(bootstrap_servers=servers) as admin:
        while time.monotonic() < deadline:
            with suppress(KafkaError):  # It may ask a node that has just come or gone.
                for partition in admin.describe_topics([topic])[0]["partitions"]:
                    if len(partition["isr_nodes"]) == count:
                        return partition
            time.sleep(0.05)
    raise TimeoutError(f"There were not {count} replicas in sync within 60 seconds.")

"""The topics of a cluster are made again in an empty one: everything but the records.

Watch what the program asks for: Kafka has no export of all its definitions.
"""

import json

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource


def furnish(bootstrap):
    """Make a topic with two settings of its own, and three orders in it."""
    configs = {"cleanup.policy": "compact", "max.message.bytes": "2000000"}
    orders = {"num_partitions": 3, "replication_factor": 1, "configs": configs}
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({"orders": orders}, wait_for_metadata=True)
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for number in range(1, 4):
            producer.send("orders", str(number).encode(), b"lamp").get(timeout=20)


def export(bootstrap):
    """Return the topics, each with its partitions, replicas and modified settings."""
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        topics = {}
        for topic in admin.describe_topics():
            if topic["is_internal"]:
                continue
            name, partitions = topic["name"], topic["partitions"]
            found = admin.describe_configs([ConfigResource("topic", name)])
            settings = found["topic"][name].items()
            topics[name] = {
                "num_partitions": len(partitions),
                "replication_factor": len(partitions[0]["replica_nodes"]),
                "configs": {key: each["value"] for key, each in sorted(settings)},
            }
        return topics


def restore(bootstrap, topics):
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics(topics, wait_for_metadata=True)


def count(bootstrap, topic, partitions):
    """Return how many records the topic holds."""
    with KafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        places = [TopicPartition(topic, each) for each in range(partitions)]
        return sum(consumer.end_offsets(places).values())


def main(sites):
    near, far = sites.near.address, sites.far.address
    furnish(near)
    backup = json.dumps(export(near))
    print("near:", export(near), count(near, "orders", 3), "records")
    restore(far, json.loads(backup))
    print("far:", export(far), count(far, "orders", 3), "records")

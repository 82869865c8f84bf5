"""MirrorMaker 2 copies a topic to a far cluster, where a group goes on with too much.

Watch what is handled again, and what is lost because the copy is stopped on purpose.
"""

import json
import time
from urllib.request import Request, urlopen

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition


def connector(kind, topic, near, far):
    """Return how to copy records ("Source") or a group's offsets ("Checkpoint")."""
    return {
        "connector.class": f"org.apache.kafka.connect.mirror.Mirror{kind}Connector",
        "source.cluster.alias": "near",
        "source.cluster.bootstrap.servers": near,
        "target.cluster.alias": "far",
        "target.cluster.bootstrap.servers": far,
        "topics": topic,
        "groups": "shop",
        "sync.group.offsets.enabled": "true",  # It is off by default.
        "sync.group.offsets.interval.seconds": 1,  # The default is a minute,
        "emit.checkpoints.interval.seconds": 1,  # and for this too.
        "replication.factor": 1,  # By default 2, and 3 for the other two.
        "offset-syncs.topic.replication.factor": 1,
        "checkpoints.topic.replication.factor": 1,
    }


def put(url, body=None):
    data, headers = json.dumps(body).encode(), {"Content-Type": "application/json"}
    urlopen(Request(url, data, headers, method="PUT"), timeout=30).close()


def send_orders(bootstrap, topic, numbers):
    with KafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        for number in numbers:
            producer.send(topic, str(number).encode()).get(timeout=20)


def handle(bootstrap, topic, count):
    settings = {"group_id": "shop", "auto_offset_reset": "earliest"}
    settings |= {"enable_auto_commit": False, "consumer_timeout_ms": 20000}
    with KafkaConsumer(topic, bootstrap_servers=bootstrap, **settings) as consumer:
        consumer.partitions_for_topic(topic)
        orders = [int(next(consumer).value) for _ in range(count)]
        consumer.commit()
        return orders


def offsets(bootstrap, topic, least):
    """Return the group's offset and the end of the topic, once that is not too low."""
    place, deadline = TopicPartition(topic, 0), time.monotonic() + 40
    with KafkaConsumer(bootstrap_servers=bootstrap, group_id="shop") as far:
        while far.committed(place) is None or far.end_offsets([place])[place] < least:
            if time.monotonic() > deadline:
                raise TimeoutError("MirrorMaker is late.")
            time.sleep(0.1)
        return far.committed(place), far.end_offsets([place])[place]


def main(sites, mirror, topic="orders"):
    near, far, copy = *(each.address for each in sites), f"near.{topic}"
    send_orders(near, topic, range(1, 101))
    with KafkaAdminClient(bootstrap_servers=near) as admin:
        admin.delete_records({TopicPartition(topic, 0): 50})  # As retention does.
    done = handle(near, topic, 30)
    for kind in ("Source", "Checkpoint"):
        put(f"{mirror}/connectors/{kind}/config", connector(kind, topic, near, far))
    committed, end = offsets(far, copy, 50)
    print(f"committed, end: near {offsets(near, topic, 100)}, far {(committed, end)}")
    put(f"{mirror}/connectors/Source/stop")  # The copy falls behind, on purpose.
    send_orders(near, topic, range(101, 111))
    sites.near.kill()
    again = handle(far, copy, end - committed)
    print(f"handled near: {done[0]} to {done[-1]}, far: {again[0]} to {again[-1]}")
    print("handled at both:", len({*done} & {*again}))
    print("of 10 sent after the stop, far:", offsets(far, copy, 50)[1] - end)

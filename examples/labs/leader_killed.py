"""The leader of a partition is killed while a producer writes, under acks 0, 1 and all.

The topic has three replicas and a minimum of two in sync. A consumer reads everything
when the cluster is whole again.
"""

import time
from itertools import pairwise
from threading import Timer

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from labs.checker import Outcome, account
from labs.kafka_topics import new_topic, wait_for_replicas

BROKERS = {"kafka": 3}
CLIENTS = ("kafka-python",)
VARIANTS = ("acks=0", "acks=1", "acks=all")
COUNT, PAUSE = 1500, 0.005  # Records, and the seconds between two of them.


def write(servers, topic, acks, kill):
    """Send the records steadily; return the numbers that were acknowledged, and when.

    `kill` is called after the first second.
    """
    acknowledged = {}
    with KafkaProducer(
        bootstrap_servers=servers,
        acks=acks,
        request_timeout_ms=5000,
        delivery_timeout_ms=30000,
    ) as producer:
        producer.partitions_for(topic)
        timer = Timer(1, kill)
        timer.start()
        for number in range(COUNT):
            future = producer.send(topic, str(number).encode())
            future.add_callback(
                lambda _, number=number: acknowledged.setdefault(
                    number, time.monotonic()
                )
            )
            time.sleep(PAUSE)  # A steady source.
        producer.flush(60)
        timer.join()
    return acknowledged


def read(servers, topic):
    """Return the number of each record in the partition, in order."""
    place = TopicPartition(topic, 0)
    with KafkaConsumer(bootstrap_servers=servers, consumer_timeout_ms=20000) as reader:
        reader.assign([place])
        end = reader.end_offsets([place])[place]
        reader.seek_to_beginning(place)
        numbers = []
        while reader.position(place) < end:
            numbers.append(int(next(reader).value))
        return numbers


def run(brokers, variant, note):
    """Run one variant; the cluster is whole when it returns."""
    cluster = brokers["kafka"]
    servers = cluster.address
    topic = new_topic(servers)
    leader = wait_for_replicas(servers, topic)["leader_id"]
    node = cluster.nodes[leader - 1]
    note("the three replicas are in sync, the producer begins")

    def kill():
        node.kill()
        note("the leader is killed")

    acks = {"acks=0": 0, "acks=1": 1, "acks=all": "all"}[variant]
    acknowledged = write(servers, topic, acks, kill)
    note("the producer has sent everything or given up")
    node.start()
    wait_for_replicas(servers, topic)
    note("the node is back and in sync")
    delivered = read(servers, topic)
    note("everything was read")
    times = sorted(acknowledged.values())
    gap = max(after - before for before, after in pairwise(times))
    return Outcome(
        account(range(COUNT), acknowledged, delivered),
        seconds={"longest gap": gap},
    )

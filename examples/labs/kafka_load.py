"""A steady load on a cluster of Kafka, safe or unsafe: it is created, sent and read.

Unsafe is what was Kafka's default up to 2.8, `acks=1` without idempotence, and a commit
before the work. Safe is `acks=all` with idempotence, two in sync, and a commit after.
"""

import time
from contextlib import suppress

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError
from labs.kafka_topics import wait_for_replicas
from labs.numbered_orders import noted


def create(nodes, topic, safe):
    """Create the topic with a replica on each of the nodes; the first leads it."""
    numbers = [int(node.name.rpartition("-")[2]) for node in nodes]
    layout = {
        "assignments": {0: numbers},
        "configs": {"min.insync.replicas": "2" if safe else "1"},
    }
    servers = addresses(nodes)
    with KafkaAdminClient(bootstrap_servers=servers) as admin:
        admin.create_topics({topic: layout}, wait_for_metadata=True)
    wait_for_replicas(servers, topic)


def addresses(nodes):
    """Return where clients begin: at any node, since Kafka tells them who leads."""
    return [node.address for node in nodes]


def produce(servers, topic, safe, pause, sent, confirmed, going):
    """Send a number every `pause` seconds while `going` is set, and wait for the rest.

    What is sent is noted in the list `sent`, and the time of each acknowledgement in
    the dictionary `confirmed`.
    """
    with KafkaProducer(
        bootstrap_servers=servers,
        acks="all" if safe else 1,
        enable_idempotence=safe,
        request_timeout_ms=3000,
        delivery_timeout_ms=90000,
    ) as producer:
        producer.partitions_for(topic)
        for number in noted(sent, going):
            producer.send(topic, str(number).encode()).add_callback(
                lambda _, number=number: confirmed.setdefault(number, time.monotonic())
            )
            time.sleep(pause)  # A steady source.
        producer.flush(60)


def batches(servers, topic, safe, size):
    """Yield the numbers of each batch, with what commits it; none if nothing is left.

    It goes on without end. A commit that fails is not repeated: the next one covers it.
    """
    place = TopicPartition(topic, 0)

    def commit():
        with suppress(KafkaError):
            consumer.commit()

    with KafkaConsumer(
        topic,
        bootstrap_servers=servers,
        group_id=topic,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=6000,
        heartbeat_interval_ms=1000,
        request_timeout_ms=10000,
    ) as consumer:
        consumer.partitions_for_topic(topic)
        while True:
            if records := consumer.poll(timeout_ms=300, max_records=size).get(place):
                yield [int(record.value) for record in records], commit
            elif consumer.assignment():
                with suppress(KafkaError):  # Nobody leads the partition.
                    if consumer.position(place) >= consumer.end_offsets([place])[place]:
                        yield [], commit

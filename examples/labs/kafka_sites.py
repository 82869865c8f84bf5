"""Orders at two sites of Kafka, of which the near one is copied to the far one."""

import threading
from contextlib import contextmanager
from time import monotonic
from urllib.request import Request, urlopen

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError
from production.mirror_two_clusters_kafka import connector, offsets, put

ERRORS = (KafkaError,)
KINDS = ("Source", "Checkpoint")


def prepare(sites, topic):
    """Make the topic at both sites, with one partition."""
    for site in sites:
        with KafkaAdminClient(bootstrap_servers=site.address) as admin:
            admin.create_topics({topic: {"num_partitions": 1}}, wait_for_metadata=True)


def link(sites, topic):
    """Have the topic copied, and the offsets of the group, which has to have some."""
    near, far = (site.address for site in sites)
    for kind in KINDS:
        url = f"{sites.mirror}/connectors/{topic}-{kind}/config"
        put(url, connector(kind, topic, near, far))


def unlink(sites, topic):
    """Stop copying; near has to run."""
    for kind in KINDS:
        url = f"{sites.mirror}/connectors/{topic}-{kind}"
        urlopen(Request(url, method="DELETE"), timeout=60).close()


@contextmanager
def sender(url, topic):
    """Yield what sends one order and returns when it is acknowledged."""
    # What is on its way when the site is lost is given up, and then it can be closed.
    limits = {"request_timeout_ms": 4000, "delivery_timeout_ms": 5000}
    producer = KafkaProducer(bootstrap_servers=url, acks="all", retries=0, **limits)
    try:
        yield lambda number: producer.send(topic, b"%d" % number).get(timeout=10)
    finally:
        producer.close(timeout=20)


def handle(url, topics, handled, going: threading.Event):
    """Handle orders, commit each batch, and note when; until `going` is cleared.

    Raises KafkaError when the site is gone.
    """
    settings = {"group_id": "shop", "auto_offset_reset": "earliest"}
    consumer = KafkaConsumer(
        *topics, bootstrap_servers=url, enable_auto_commit=False, **settings
    )
    for topic in topics:
        consumer.partitions_for_topic(topic)
    try:
        while going.is_set():
            batches = consumer.poll(timeout_ms=100).values()
            for record in (each for batch in batches for each in batch):
                handled[int(record.value)] = monotonic()
            if batches:
                consumer.commit()
    finally:
        consumer.close(timeout_ms=1000)


def near_place(topic):
    """Return where orders are handled near."""
    return [topic]


def far_place(topic):
    """Return where orders are handled far: the copies, and what is new there."""
    return [f"near.{topic}", topic]


def copied(sites, topic, far):
    """Return the orders that are far, once the group has handled the last of them."""
    copy, deadline = f"near.{topic}", monotonic() + 30
    committed, end = offsets(sites.far.address, copy, 1)
    while committed < end:
        if monotonic() > deadline:
            raise TimeoutError("The copies are not handled.")
        committed, end = offsets(sites.far.address, copy, 1)
    settings = {"auto_offset_reset": "earliest", "consumer_timeout_ms": 20000}
    with KafkaConsumer(bootstrap_servers=sites.far.address, **settings) as consumer:
        place = TopicPartition(copy, 0)
        consumer.assign([place])
        consumer.seek_to_beginning(place)
        return {int(next(consumer).value) for _ in range(end)}


def arrived(sites, topic, count):
    """Wait until so many orders are far, and an offset of the group too."""
    offsets(sites.far.address, f"near.{topic}", count)

"""A Kafka Streams program is killed between two commits and started again.

Watch the counts: what was not committed is done again, and counted once or twice.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

JAVA = Path(__file__).with_suffix(".java")
GUARANTEES = ["exactly_once_v2", "at_least_once"]


def send_orders(bootstrap, topic, count):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for _ in range(count):
            producer.send(topic, b"a lamp", key=b"ann")


def committed(bootstrap, orders, at_least=0):
    """Return how many orders the program has committed, once it is `at_least`."""
    application, partition = f"{orders}-app", TopicPartition(orders, 0)
    deadline = time.monotonic() + 30
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        while time.monotonic() < deadline:
            offsets = admin.list_group_offsets({application: [partition]})
            if (done := offsets[application][partition].offset) >= at_least:
                return done
            time.sleep(0.02)
    raise TimeoutError(f"{application} has not committed {at_least} orders.")


def read_counts(bootstrap, topic, most, isolation_level):
    """Return the first `most` counts, or those until none came for five seconds."""
    with KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        isolation_level=isolation_level,
        consumer_timeout_ms=5000,
    ) as consumer:
        return [int(record.value) for record in islice(consumer, most)]


def count_orders(bootstrap, streams, topic, guarantee):
    """Return how many of 100 orders were committed at the kill, and all counts."""
    orders, counts = f"{topic}-{guarantee}", f"{topic}-{guarantee}-counts"
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics([orders, counts], wait_for_metadata=True)
    settings = {
        "application.id": f"{orders}-app",
        "processing.guarantee": guarantee,
        "commit.interval.ms": "3000",
        "statestore.cache.max.bytes": "0",  # Write each count before the commit.
        "group.instance.id": "1",  # Take the old place in the group without a wait.
    }
    with streams(JAVA, settings, orders, counts) as program:
        send_orders(bootstrap, orders, 50)
        committed(bootstrap, orders, at_least=50)
        send_orders(bootstrap, orders, 50)
        read_counts(bootstrap, counts, 51, "read_uncommitted")
        program.kill()
        done = committed(bootstrap, orders)
        program.start()
        committed(bootstrap, orders, at_least=100)
    return done, read_counts(bootstrap, counts, 101, "read_committed")


def main(bootstrap, streams, topic=f"orders-{uuid4().hex[:8]}"):
    run = partial(count_orders, bootstrap, streams, topic)
    with ThreadPoolExecutor(2) as threads:
        results = threads.map(run, GUARANTEES)
        for guarantee, (done, counts) in zip(GUARANTEES, results, strict=True):
            total = "more than 100" if counts[-1] > 100 else counts[-1]
            print(f"{guarantee}: {done} of 100 committed at the kill, counted {total}")

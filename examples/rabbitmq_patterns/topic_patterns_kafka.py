"""A consumer can subscribe to a pattern of topic names, if there is a topic per key.

Watch the patterns: they are regular expressions over names, and the client applies
them to all topics that it hears of.
"""

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

KEYS = [
    "audit",
    "audit.error",
    "audit.order.error",
    "error",
    "order.eu.created",
    "payment.error",
]
PATTERNS = {
    "audit.#": r"audit(\..+)?",
    "audit.*": r"audit\.[^.]+",
    "*.error": r"[^.]+\.error",
    "#.error": r"(.+\.)?error",
}


def create(bootstrap, prefix):
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        topics = {f"{prefix}.{key}": {"num_partitions": 1} for key in KEYS}
        admin.create_topics(topics, wait_for_metadata=True)


def publish(bootstrap, prefix):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for key in KEYS:
            producer.send(f"{prefix}.{key}", b"an event").get(timeout=10)


def read_keys(bootstrap, prefix, pattern):
    """Take events until none has come for three seconds; return their keys."""
    with KafkaConsumer(
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=3000,
    ) as consumer:
        # The client looks for the pattern at the beginning of a name, hence the `$`.
        consumer.subscribe(pattern=rf"{re.escape(prefix)}\.{pattern}$")
        first = consumer.poll(timeout_ms=20000)  # It has to find the topics before.
        topics = [*(place.topic for place in first), *(each.topic for each in consumer)]
        return sorted(topic.removeprefix(f"{prefix}.") for topic in topics)


def main(bootstrap="localhost:9092", prefix=f"events-{uuid4().hex[:8]}"):
    create(bootstrap, prefix)
    publish(bootstrap, prefix)
    with ThreadPoolExecutor(len(PATTERNS)) as threads:
        read = [
            threads.submit(read_keys, bootstrap, prefix, each)
            for each in PATTERNS.values()
        ]
        for pattern, keys in zip(PATTERNS, read, strict=True):
            print(f"{pattern} gets {', '.join(keys.result())}")


if __name__ == "__main__":
    main(*sys.argv[1:])

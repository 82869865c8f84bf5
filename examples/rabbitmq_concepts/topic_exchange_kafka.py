"""A consumer can subscribe to all topics whose name matches a regular expression.

Watch the topic that is created last: the consumer finds it when it next asks for the
list of topics. The client does the matching, and on names of topics, not on messages.
"""

import re
import sys
import time
from contextlib import closing
from uuid import uuid4

from confluent_kafka import Consumer
from kafka import KafkaAdminClient

TOPICS = ["order.placed", "error", "payment.error", "payment.card.error"]


def create(bootstrap, prefix, names):
    topics = {f"{prefix}.{name}": {"num_partitions": 1} for name in names}
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics(topics, wait_for_metadata=True)


def subscribe(bootstrap, prefix, pattern):
    """Return a consumer of the topics whose name after the prefix is like `pattern`."""
    options = {
        "bootstrap.servers": bootstrap,
        "group.id": f"{prefix}-{uuid4().hex[:8]}",
        "topic.metadata.refresh.interval.ms": 500,  # Five minutes by default.
    }
    consumer = Consumer(options)
    # librdkafka takes a name for a regular expression if it begins with `^`.
    consumer.subscribe([rf"^{re.escape(prefix)}\.{pattern}$"])
    return consumer


def poll_until_assigned(consumer, prefix, count):
    """Poll until the consumer has `count` topics, and return their names."""
    deadline = time.monotonic() + 30
    while len(assigned := consumer.assignment()) != count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"The consumer has {len(assigned)} topics.")
        consumer.poll(0.1)
    return sorted(each.topic.removeprefix(f"{prefix}.") for each in assigned)


def main(bootstrap="localhost:9092", topic=f"events-{uuid4().hex[:8]}"):
    create(bootstrap, topic, TOPICS)
    with (
        closing(subscribe(bootstrap, topic, r"[^.]+\.error")) as one_word,
        closing(subscribe(bootstrap, topic, r"([^.]+\.)*error")) as any_number,
    ):
        print(f"like *.error: {poll_until_assigned(one_word, topic, 1)}")
        print(f"like #.error: {poll_until_assigned(any_number, topic, 3)}")
        create(bootstrap, topic, ["shipment.error"])
        print("shipment.error is created")
        print(f"like *.error: {poll_until_assigned(one_word, topic, 2)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

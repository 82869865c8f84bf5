"""Kafka Streams counts the words of all searches and keeps the counts in a table.

Watch the updates: each word that arrives changes one row of the table, and the topic
has every change.
"""

from itertools import islice
from pathlib import Path
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

JAVA = Path(__file__).with_suffix(".java")


def create(bootstrap, *topics):
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics(list(topics), wait_for_metadata=True)


def send_searches(bootstrap, topic, searches):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for search in searches:
            producer.send(topic, search.encode()).get(timeout=10)


def receive_updates(bootstrap, topic, count):
    """Return the first `count` updates of the table: a word and its count each."""
    with KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=20000,
    ) as consumer:
        records = list(islice(consumer, count))
    return [(record.key.decode(), int(record.value)) for record in records]


def topics_of(bootstrap, application):
    """Return the topics that the application made for itself, without its name."""
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        topics = admin.list_topics()
    own = f"{application}-"
    return sorted(each.removeprefix(own) for each in topics if each.startswith(own))


def main(bootstrap, streams, topic=f"searches-{uuid4().hex[:8]}"):
    create(bootstrap, topic, f"{topic}-counts")
    settings = {
        "application.id": f"{topic}-app",
        "statestore.cache.max.bytes": "0",  # Send on each update, not every 30 s.
    }
    with streams(JAVA, settings, topic, f"{topic}-counts"):
        send_searches(bootstrap, topic, ["red lamp", "red chair", "lamp"])
        updates = receive_updates(bootstrap, f"{topic}-counts", 5)
    print(f"updates: {updates}")
    print(f"the table: {dict(updates)}")
    print(f"its own topics: {topics_of(bootstrap, f'{topic}-app')}")

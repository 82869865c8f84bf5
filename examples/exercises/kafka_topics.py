"""What the checks do with Kafka themselves: make topics, fill them and read them."""

import time

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition


def create(bootstrap, topic, partitions=1, **settings):
    """Create a topic of one replica; `settings` have _ where Kafka has a dot."""
    configs = {name.replace("_", "."): str(value) for name, value in settings.items()}
    what = {"num_partitions": partitions, "replication_factor": 1, "configs": configs}
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: what}, wait_for_metadata=True)


def send(bootstrap, topic, orders, **options):
    """Send orders to partition 0, each when the one before is acknowledged.

    `options` are those of `send` for each record.
    """
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for order in orders:
            record = producer.send(topic, order.encode(), partition=0, **options)
            record.get(timeout=10)


def read(bootstrap, topic, partitions=1, **settings):
    """Return the records of a topic, up to its end; `settings` are the consumer's.

    Raises TimeoutError if the end is not reached within ten seconds.
    """
    records, deadline = [], time.monotonic() + 10
    everything = [TopicPartition(topic, number) for number in range(partitions)]
    with KafkaConsumer(bootstrap_servers=bootstrap) as other:
        ends = other.end_offsets(everything)  # The log's, open transactions included.
    with KafkaConsumer(bootstrap_servers=bootstrap, **settings) as consumer:
        consumer.assign(everything)
        consumer.seek_to_beginning()
        while any(consumer.position(each) < ends[each] for each in everything):
            if time.monotonic() > deadline:
                raise TimeoutError(f"The end of {topic} was not reached.")
            for batch in consumer.poll(timeout_ms=500).values():
                records += batch
    return records


def committed(bootstrap, group, topic, partitions=1):
    """Return the group's committed offset in each partition, None where it has none."""
    everything = [TopicPartition(topic, number) for number in range(partitions)]
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        found = admin.list_group_offsets({group: everything})[group]
    offsets = [found[each].offset for each in everything]
    return [offset if offset >= 0 else None for offset in offsets]

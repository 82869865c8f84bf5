"""Read a topic of one partition to its end, however busy the computer is."""

import time

from kafka import KafkaConsumer, TopicPartition


def read_on(consumer, partition):
    """Return the values from the consumer's position to the end of the partition.

    The end is that of the log, also for a consumer that waits for transactions.
    Raises TimeoutError after 60 seconds.
    """
    servers = consumer.config["bootstrap_servers"]
    with KafkaConsumer(bootstrap_servers=servers) as other:
        end = other.end_offsets([partition])[partition]
    values, deadline = [], time.monotonic() + 60
    while consumer.position(partition) < end:
        if time.monotonic() > deadline:
            raise TimeoutError(f"The end of {partition} was not reached.")
        for records in consumer.poll(timeout_ms=1000).values():
            values += [record.value for record in records]
    return values


def stored(bootstrap, topic, **settings):
    """Return all values of the topic; `settings` are the consumer's."""
    partition = TopicPartition(topic, 0)
    with KafkaConsumer(bootstrap_servers=bootstrap, **settings) as consumer:
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        return read_on(consumer, partition)

"""A consumer asks which offset belongs to a time and reads on from there.

Watch the offsets: the first record of the new day is the first one read.
"""

import sys
import time
from itertools import islice
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer, TopicPartition


def send_orders(bootstrap, topic, orders):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for order in orders:  # Each gets the time at which it is sent, from here.
            producer.send(topic, order.encode()).get(timeout=10)


def read_since(bootstrap, topic, moment, count):
    """Read `count` records that are not older than `moment`, in seconds since 1970;
    return them as {offset: order}.
    """
    partition = TopicPartition(topic, 0)
    with KafkaConsumer(
        bootstrap_servers=bootstrap, consumer_timeout_ms=10000
    ) as consumer:
        consumer.assign([partition])
        found = consumer.offsets_for_times({partition: int(moment * 1000)})[partition]
        consumer.seek(partition, found.offset)
        return {each.offset: each.value.decode() for each in islice(consumer, count)}


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    send_orders(bootstrap, topic, ["a lamp", "two books", "a chair"])
    time.sleep(2)  # The night.
    morning = time.time()
    send_orders(bootstrap, topic, ["a table", "a pen"])
    print(f"since the morning: {read_since(bootstrap, topic, morning, 2)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A consumer that does not ask gets nothing: it sets the pace, and the broker keeps the rest.

Watch the position: it moves by what was asked for, however much there is.
"""

import sys
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer, TopicPartition


def send_orders(bootstrap, topic, count):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        sent = [producer.send(topic, f"order {n}".encode()) for n in range(1, count + 1)]
        for each in sent:
            each.get(timeout=10)


def take(consumer, limit):
    """Ask once, for at most `limit` orders; wait for the first of them for up to ten seconds."""
    records = consumer.poll(timeout_ms=10000, max_records=limit)
    return [record.value.decode() for batch in records.values() for record in batch]


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    send_orders(bootstrap, topic, 10)
    partition = TopicPartition(topic, 0)
    with KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        consumer.assign([partition])
        print(f"10 orders wait, asked for 3: {', '.join(take(consumer, 3))}")
        print(f"position while it works: {consumer.position(partition)}")
        print(f"asked for 1 more: {', '.join(take(consumer, 1))}")


if __name__ == "__main__":
    main(*sys.argv[1:])

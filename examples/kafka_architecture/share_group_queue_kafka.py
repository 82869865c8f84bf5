"""A share group reads a topic as a queue: three consumers work on one partition.

Watch the end: what was acknowledged does not come again, and it is still in the log.
"""

import sys
from itertools import islice
from uuid import uuid4

from confluent_kafka import ShareConsumer
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import ConfigResource


def create(bootstrap, topic, group):
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: {"num_partitions": 1}}, wait_for_metadata=True)
        # A setting of the group, in the broker: without it a new one starts at the end.
        start = {"share.auto.offset.reset": "earliest"}
        admin.alter_configs([ConfigResource("GROUP", group, start)])


def send_orders(bootstrap, topic, count):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for number in range(1, count + 1):
            producer.send(topic, f"order {number}".encode()).get(timeout=10)


def join_group(bootstrap, topic, group):
    options = {
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "share.acknowledgement.mode": "explicit",
        "max.poll.records": 1,
    }
    consumer = ShareConsumer(options)
    consumer.subscribe([topic])
    return consumer


def work_together(consumers):
    """Let each consumer take one order, and acknowledge when all have one; return the
    orders.
    """
    taken = [(each, message) for each in consumers for message in each.poll(20)]
    for consumer, message in taken:
        consumer.acknowledge(message)
        consumer.commit_sync(10)
    return sorted(message.value().decode() for _, message in taken)


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    group = f"{topic}-workers"
    create(bootstrap, topic, group)
    send_orders(bootstrap, topic, 6)
    consumers = [join_group(bootstrap, topic, group) for _ in range(3)]
    print(f"three consumers, one partition: {work_together(consumers)}")
    print(f"each of them another one: {work_together(consumers)}")
    print(f"nothing comes again: {consumers[0].poll(2).is_empty()}")
    for consumer in consumers:
        consumer.close()
    with KafkaConsumer(
        topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest"
    ) as reader:
        print(f"still in the log: {len(list(islice(reader, 6)))} orders")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""One customer places half of all orders, and its key sends them to one partition.

Watch the fullest partition: four times as many partitions do not relieve it.
"""

import sys
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition


def customer_of(order):
    """Every other order is by customer-1, the rest by a hundred others in turn."""
    return "customer-1" if order % 2 else f"customer-{2 + order // 2 % 100}"


def send_orders(bootstrap, topic, partitions, count):
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        plan = {topic: {"num_partitions": partitions}}
        admin.create_topics(plan, wait_for_metadata=True)
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        sent = [
            producer.send(topic, f"order {n}".encode(), key=customer_of(n).encode())
            for n in range(1, count + 1)
        ]
        for each in sent:
            each.get(timeout=30)


def count_per_partition(bootstrap, topic):
    with KafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        numbers = sorted(consumer.partitions_for_topic(topic))
        partitions = [TopicPartition(topic, number) for number in numbers]
        ends = consumer.end_offsets(partitions)
        return [ends[partition] for partition in partitions]


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    print("1000 orders of 101 customers, 500 of them by customer-1")
    for partitions in (4, 16):
        name = f"{topic}-in-{partitions}"
        send_orders(bootstrap, name, partitions, 1000)
        counts = count_per_partition(bootstrap, name)
        print(f"in {partitions} partitions: {' '.join(map(str, counts))}")
        print(f"the fullest has {max(counts)}, an even share is {1000 // partitions}")


if __name__ == "__main__":
    main(*sys.argv[1:])

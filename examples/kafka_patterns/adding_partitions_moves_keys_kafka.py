"""Adding partitions sends most keys elsewhere, and the order of such a key breaks.

Watch the last line: for this reader the order is paid before it is placed.
"""

import sys
import time
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.partitioner.default import murmur2

CUSTOMERS = [f"customer-{number}" for number in range(1, 101)]


def predict(customer, partitions):
    """Compute what the client does: the hash of the key, modulo the partitions."""
    return (murmur2(customer.encode()) & 0x7FFFFFFF) % partitions


def set_partitions(bootstrap, topic, partitions):
    """Create the topic or add partitions; wait until each partition has a leader."""
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        if topic in admin.list_topics():
            admin.create_partitions({topic: partitions})
        else:
            admin.create_topics({topic: {"num_partitions": partitions}})
        deadline = time.monotonic() + 20
        while partitions != sum(
            each["leader_id"] >= 0
            for each in admin.describe_topics([topic])[0]["partitions"]
        ):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{topic} does not have {partitions} partitions.")


def send_all(bootstrap, topic, step):
    """Send a step for each customer; return the partition that each went to."""
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        sent = [producer.send(topic, step, key=each.encode()) for each in CUSTOMERS]
        return [each.get(timeout=30).partition for each in sent]


def send_around_growth(bootstrap, topic, partitions):
    """Let 3 partitions become more; return each key's partition before and after."""
    set_partitions(bootstrap, topic, 3)
    before = send_all(bootstrap, topic, b"placed")
    set_partitions(bootstrap, topic, partitions)
    return list(zip(before, send_all(bootstrap, topic, b"paid"), strict=True))


def read(bootstrap, topic, partition, customer):
    """Return the steps of a customer in one partition."""
    with KafkaConsumer(
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=2000,
    ) as consumer:
        consumer.assign([TopicPartition(topic, partition)])
        key = customer.encode()
        return [each.value.decode() for each in consumer if each.key == key]


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    places = {}
    for count in (4, 6):
        foreseen = sum(predict(each, 3) != predict(each, count) for each in CUSTOMERS)
        places[count] = send_around_growth(bootstrap, f"{topic}-{count}", count)
        moved = sum(old != new for old, new in places[count])
        print(f"from 3 to {count}: predicted {foreseen} of 100 keys, moved {moved}")
    customer, (old, new) = CUSTOMERS[0], places[4][0]
    print(f"{customer} was in partition {old} and is in partition {new} of 4")
    steps = [read(bootstrap, f"{topic}-4", each, customer) for each in (new, old)]
    print(f"whoever reads partition {new} first sees: {steps[0]}, then {steps[1]}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The key alone chooses the partition, and this program knows which before it sends.

Watch the two columns: the first is computed here, the second is the broker's answer.
"""

import sys
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaProducer

PARTITIONS = 4
CUSTOMERS = ["anna", "ben", "chloé", "dora", "anna", "ben"]


def murmur2(data):
    """Return the hash by which Kafka's own producer spreads keys (MurmurHash 2)."""
    m, bits = 0x5BD1E995, 0xFFFFFFFF
    whole = len(data) // 4 * 4
    h = 0x9747B28C ^ len(data)
    for start in range(0, whole, 4):
        k = int.from_bytes(data[start : start + 4], "little") * m & bits
        k = (k ^ k >> 24) * m & bits
        h = h * m & bits ^ k
    if rest := data[whole:]:
        h = (h ^ int.from_bytes(rest, "little")) * m & bits
    h = (h ^ h >> 13) * m & bits
    return h ^ h >> 15


def predict(key, partitions):
    """Return the partition of a key, which is hashed as the bytes that are sent."""
    return (murmur2(key.encode()) & 0x7FFFFFFF) % partitions  # Without the sign bit.


def create(bootstrap, topic, partitions):
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        options = {"num_partitions": partitions}
        admin.create_topics({topic: options}, wait_for_metadata=True)


def send_order(producer, topic, customer):
    """Send an order with the customer as its key; return its partition."""
    sent = producer.send(topic, b"order placed", key=customer.encode())
    return sent.get(timeout=10).partition


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    create(bootstrap, topic, PARTITIONS)
    right = 0
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for customer in CUSTOMERS:
            predicted = predict(customer, PARTITIONS)
            partition = send_order(producer, topic, customer)
            right += predicted == partition
            print(f"{customer:5} predicted {predicted}, is in partition {partition}")
    print(f"{right} of {len(CUSTOMERS)} predictions were right")


if __name__ == "__main__":
    main(*sys.argv[1:])

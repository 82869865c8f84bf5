"""A batch makes one request out of many records, and linger makes batches by waiting.

Watch what the fewer requests cost: each record waits in the client before it is sent.
"""

import sys
import time
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaProducer


def create(bootstrap, topic):
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: {"num_partitions": 1}}, wait_for_metadata=True)


def send_orders(bootstrap, topic, wait=False, pause=0, **options):
    """Send 200 orders, `pause` seconds apart, and with `wait` each only when the one
    before is acknowledged; return what the client has measured.
    """
    with KafkaProducer(bootstrap_servers=bootstrap, **options) as producer:
        for number in range(200):
            order = f'{{"order": {number}, "item": "lamp", "state": "placed"}}'
            sent = producer.send(topic, order.encode())
            if wait:
                sent.get(timeout=10)
            time.sleep(pause)
        producer.flush(timeout=10)
        return producer.metrics()["producer-metrics"]


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    create(bootstrap, topic)
    records, waited = "records-per-request-avg", "record-queue-time-avg"
    each = send_orders(bootstrap, topic, wait=True)
    print(f"waiting for each acknowledgement: {each[records]:.0f} record a request")

    without = send_orders(bootstrap, topic, pause=0.005)
    linger = send_orders(bootstrap, topic, pause=0.005, linger_ms=100)
    fewer = linger[records] / without[records]
    longer = linger[waited] / without[waited]
    print("an order each 5 ms, with linger 100 ms instead of 0:")
    print(f"  at least 4 times fewer requests: {fewer >= 4}")
    print(f"  each order waits at least 4 times longer: {longer >= 4}")

    zipped, size = {"compression_type": "gzip"}, "compression-rate-avg"
    single = send_orders(bootstrap, topic, wait=True, **zipped)
    batch = send_orders(bootstrap, topic, linger_ms=100, **zipped)
    print(f"gzip, one record in a batch: smaller: {single[size] < 1}")
    print(f"gzip, 200 at once with linger: less than a fifth: {batch[size] < 0.2}")


if __name__ == "__main__":
    main(*sys.argv[1:])

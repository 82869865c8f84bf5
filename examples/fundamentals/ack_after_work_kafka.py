"""Commit after the work: a worker that dies in the middle leaves the order to the next one.

Watch the second worker: the group's committed offset did not move, so it reads the same order.
"""

import os
import sys
from multiprocessing import get_context
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer


def send_order(bootstrap, topic, order):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        producer.send(topic, order.encode()).get(timeout=10)


def work_on_one(bootstrap, topic, dies=False):
    """Take one order, do the work, then commit; return the order, or None if there is none."""
    with KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=f"{topic}-workers",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=6000,  # How long the group waits for a member that went silent.
        consumer_timeout_ms=10000,
    ) as consumer:
        for record in consumer:
            if dies:
                os._exit(1)  # In the middle of the work, as when the machine is lost.
            consumer.commit()
            return record.value.decode()


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    send_order(bootstrap, topic, "order 7: two books")
    first = get_context("spawn").Process(target=work_on_one, args=(bootstrap, topic, True))
    first.start()
    first.join(60)
    print(f"the first worker died with exit code {first.exitcode}")
    print(f"the second worker did: {work_on_one(bootstrap, topic)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

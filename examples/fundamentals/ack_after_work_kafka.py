"""Commit after the work: a worker that dies leaves the order to the next one.

Watch the charges: the order is not lost, and the card is charged twice.
"""

import os
import sys
from multiprocessing import get_context
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer


def send_order(bootstrap, topic, order):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        producer.send(topic, order.encode()).get(timeout=10)


def work_on_one(bootstrap, topic, worker, dies=False):
    """Charge the card for one order, then commit; give up after twenty seconds."""
    with KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=f"{topic}-workers",
        auto_offset_reset="earliest",
        enable_auto_commit=False,  # The program says when it is done.
        session_timeout_ms=6000,  # How long the group waits for a silent member.
        consumer_timeout_ms=20000,
    ) as consumer:
        for record in consumer:
            print(f"{worker} charges the card for {record.value.decode()}", flush=True)
            if dies:
                os._exit(1)
            consumer.commit()
            return
    print(f"{worker} finds no order")


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    send_order(bootstrap, topic, "order 7")
    args = (bootstrap, topic, "worker 1", True)
    first = get_context("spawn").Process(target=work_on_one, args=args)
    first.start()
    first.join(60)
    print(f"worker 1 died with exit code {first.exitcode}")
    work_on_one(bootstrap, topic, "worker 2")


if __name__ == "__main__":
    main(*sys.argv[1:])

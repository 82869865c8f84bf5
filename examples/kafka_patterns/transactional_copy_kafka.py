"""Read an order, write its invoice: the invoice and the position are one transaction.

Watch order 2: worker 1 dies before its commit, and one of its two invoices counts.
"""

import os
import sys
from itertools import islice
from multiprocessing import get_context
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata


def send_orders(bootstrap, topic, count):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for number in range(1, count + 1):
            producer.send(topic, f"order {number}".encode()).get(timeout=10)


def write_invoices(bootstrap, topic, count, dies=False):
    """Write invoices in a transaction each; die before the commit of the last."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, transactional_id=topic)
    producer.init_transactions()  # Ends what an earlier worker has left open.
    with KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=f"{topic}-workers",
        auto_offset_reset="earliest",
        enable_auto_commit=False,  # The producer's transaction has the position.
        isolation_level="read_committed",
        session_timeout_ms=6000,
        consumer_timeout_ms=20000,
    ) as consumer:
        for number, order in enumerate(islice(consumer, count), 1):
            producer.begin_transaction()
            invoice = b"invoice for " + order.value
            producer.send(f"{topic}-invoices", invoice).get(timeout=10)
            partition = TopicPartition(order.topic, order.partition)
            position = {partition: OffsetAndMetadata(order.offset + 1, "", -1)}
            producer.send_offsets_to_transaction(position, consumer.group_metadata())
            if dies and number == count:
                os._exit(1)
            producer.commit_transaction()
    producer.close()


def read(bootstrap, topic, isolation_level):
    """Return every value in the topic, until none has come for two seconds."""
    with KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        isolation_level=isolation_level,
        consumer_timeout_ms=2000,
    ) as consumer:
        return [record.value.decode() for record in consumer]


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    send_orders(bootstrap, topic, 3)
    args = (bootstrap, topic, 2, True)
    first = get_context("spawn").Process(target=write_invoices, args=args)
    first.start()
    first.join(60)
    print(f"worker 1 died with exit code {first.exitcode}")
    write_invoices(bootstrap, topic, 2)
    print("worker 2 has written the rest")
    for isolation_level in ("read_uncommitted", "read_committed"):
        print(f"{isolation_level}:")
        for invoice in read(bootstrap, f"{topic}-invoices", isolation_level):
            print(f"  {invoice}")


if __name__ == "__main__":
    main(*sys.argv[1:])

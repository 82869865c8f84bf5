"""Write an invoice for each order, and let its readers see each one once.

`write_invoices(bootstrap, topic, group, make_invoice, last)` reads partition 0 of the
topic from the group's committed offset on, and sends `make_invoice(order)`, a string,
to `<topic>-invoices` for each order. It returns when the invoice of order `last`
counts. The worker may die in `make_invoice`, and another is started with the same
arguments. A reader with `read_committed` must get one invoice for each order, whoever
died, and get it as soon as the second worker is done.
"""

import time

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata


def write_invoices(bootstrap, topic, group, make_invoice, last):
    settings = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
    settings |= {"bootstrap_servers": bootstrap, "group_id": group}
    order, deadline = "", time.monotonic() + 15
    producer = KafkaProducer(bootstrap_servers=bootstrap, transactional_id=group)
    producer.init_transactions()  # Ends what an earlier worker has left open.
    with producer, KafkaConsumer(**settings) as consumer:
        consumer.assign([TopicPartition(topic, 0)])  # A group would wait for the dead.
        while order != last and time.monotonic() < deadline:
            for partition, batch in consumer.poll(timeout_ms=500).items():
                producer.begin_transaction()
                for record in batch:
                    order = record.value.decode()
                    invoice = make_invoice(order).encode()
                    producer.send(f"{topic}-invoices", invoice).get(timeout=10)
                position = {partition: OffsetAndMetadata(record.offset + 1, "", -1)}
                member = consumer.group_metadata()
                producer.send_offsets_to_transaction(position, member)
                producer.commit_transaction()

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


def write_invoices(bootstrap, topic, group, make_invoice, last):
    settings = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
    settings |= {"bootstrap_servers": bootstrap, "group_id": group}
    order, deadline = "", time.monotonic() + 15
    # Finish this: the next worker must be able to end what this one leaves open.
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    with producer, KafkaConsumer(**settings) as consumer:
        consumer.assign([TopicPartition(topic, 0)])  # A group would wait for the dead.
        while order != last and time.monotonic() < deadline:
            for batch in consumer.poll(timeout_ms=500).values():
                for record in batch:
                    order = record.value.decode()
                    invoice = make_invoice(order).encode()
                    producer.send(f"{topic}-invoices", invoice).get(timeout=10)
                consumer.commit()  # Finish this: both must count, or neither.

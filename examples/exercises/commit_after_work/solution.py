"""Let a worker die at any moment, and let no order go with it.

`work(bootstrap, topic, group, handle, last)` reads partition 0 of the topic from the
group's committed offset on, and calls `handle(order)`, with a string, for each order.
It returns when order `last` is handled. The worker may die in `handle`, and another is
started with the same arguments: it must go on so that no order is left out. Orders that
were handled shortly before may be handled again, and once all are done, none of them.
"""

import time

from kafka import KafkaConsumer, TopicPartition


def work(bootstrap, topic, group, handle, last):
    with KafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    ) as consumer:
        consumer.assign([TopicPartition(topic, 0)])  # A group would wait for the dead.
        order, deadline = "", time.monotonic() + 15
        while order != last and time.monotonic() < deadline:
            for batch in consumer.poll(timeout_ms=500).values():
                for record in batch:
                    order = record.value.decode()
                    handle(order)
                consumer.commit()

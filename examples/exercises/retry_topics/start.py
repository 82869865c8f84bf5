"""Give what failed another try, without stopping what is behind it.

`work(bootstrap, topic, group, charge, count)` reads `topic` and `<topic>-retry`, one
partition each, and calls `charge(order)` for each record, until `count` orders are done
or dead. A ConnectionError may pass: the record goes to `<topic>-retry`, and after the
third attempt to `<topic>-dead`. A ValueError does not pass: the record goes to
`<topic>-dead` at once. A record that is sent on has two headers, as text: `attempts`,
how many were made, and `error`, the name of the error's type. The group commits what is
done or stored elsewhere, and nothing else: the worker may die in `charge`.
"""

import time

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

ATTEMPTS = 3


def send_on(producer, target, record, attempts, error):
    """Send a record to the topic `target` with its headers, acknowledged."""
    # Finish this.


def work(bootstrap, topic, group, charge, count):
    settings = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
    settings |= {"bootstrap_servers": bootstrap, "group_id": group}
    finished, deadline = 0, time.monotonic() + 15
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    with producer, KafkaConsumer(**settings) as consumer:
        topics = [topic, f"{topic}-retry"]
        consumer.assign([TopicPartition(each, 0) for each in topics])
        while finished < count and time.monotonic() < deadline:
            for batch in consumer.poll(timeout_ms=500).values():
                for record in batch:
                    charge(record.value.decode())  # Finish this: what if it fails?
                    finished += 1
            consumer.commit()

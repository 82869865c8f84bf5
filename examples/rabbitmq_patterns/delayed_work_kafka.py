"""Work for later is read at once, and its partition is paused until it is due.

Watch the order: what was sent first is due last, because each delay has its own topic.
"""

import sys
import time
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata

DELAYS = (2, 1)  # Seconds.


def create(bootstrap, topic):
    """Create a topic for each delay; return their names, and the delay of each."""
    delays = {f"{topic}-after-{seconds}-s": seconds for seconds in DELAYS}
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        topics = {each: {"num_partitions": 1} for each in delays}
        admin.create_topics(topics, wait_for_metadata=True)
    return delays


def receive(bootstrap, delays, count):
    """Yield `count` orders, each when it has waited for the delay of its topic."""
    with KafkaConsumer(
        *delays,
        bootstrap_servers=bootstrap,
        group_id=f"{min(delays)}-workers",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    ) as consumer:
        for topic in delays:
            consumer.partitions_for_topic(topic)  # Who deals them out must know them.
        waiting, deadline = {}, time.monotonic() + 60
        while count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{count} orders have not come.")
            # A consumer that pauses must still poll, or it is put out of the group.
            batches = consumer.poll(timeout_ms=50, max_records=1)
            for partition, (record,) in batches.items():
                consumer.pause(partition)
                waiting[partition] = record
            for partition, record in list(waiting.items()):
                if record.timestamp / 1000 + delays[partition.topic] <= time.time():
                    yield record.value.decode()
                    # Not a bare commit(): that would pass what still waits elsewhere.
                    consumer.commit({partition: OffsetAndMetadata(record.offset + 1)})
                    count -= 1
                    del waiting[partition]
                    consumer.resume(partition)


def main(bootstrap="localhost:9092", topic=f"mails-{uuid4().hex[:8]}"):
    delays, due = create(bootstrap, topic), {}
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for name, seconds in delays.items():
            mail = f"the mail after {seconds} s"
            due[mail] = time.monotonic() + seconds
            producer.send(name, mail.encode()).get(timeout=10)
            print(f"sent: {mail}")
    for mail in receive(bootstrap, delays, len(delays)):
        # The record's timestamp is in whole milliseconds.
        early = time.monotonic() < due[mail] - 0.01
        print(f"came: {mail}, {'too early' if early else 'not before its time'}")


if __name__ == "__main__":
    main(*sys.argv[1:])

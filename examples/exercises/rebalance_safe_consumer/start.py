"""Give a partition away without having its orders done twice.

`work(bootstrap, topic, group, handle, stop)` is a member of a group. It calls
`handle(order)`, with a string, for each order that it receives, until the event `stop`
is set. It commits after each hundred orders, since a commit costs a request, and never
an order that is not done. When another member joins or leaves, partitions go from one
to the other, and may come back: nobody must handle again what was handled before.
"""

from confluent_kafka import Consumer, KafkaException, TopicPartition

EVERY = 100
SETTINGS = {
    "auto.offset.reset": "earliest",
    "enable.auto.commit": False,
    "heartbeat.interval.ms": 500,  # How soon it learns that somebody joins.
}


def commit(consumer, done):
    """Commit the next offset of each partition in which something was done."""
    if done:
        consumer.commit(offsets=list(done.values()), asynchronous=False)


def work(bootstrap, topic, group, handle, stop):
    done, count = {}, 0
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, **SETTINGS})
    consumer.subscribe([topic])  # Finish this: what happens before it gives away?
    while not stop.is_set():
        if (record := consumer.poll(0.1)) is None:
            continue
        if record.error():
            raise KafkaException(record.error())
        handle(record.value().decode())
        partition, offset = record.partition(), record.offset() + 1
        done[partition] = TopicPartition(topic, partition, offset)
        count += 1
        if count % EVERY == 0:
            commit(consumer, done)
    consumer.close()

"""Three partitions: one with both days, one with yesterday only, one with nothing."""

import time

from exercises import Fault
from exercises.kafka_topics import committed, create
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata

STARTS_WITH = (
    "orders_since also returned what is older than the moment, order 1, order 2, "
    "order 3: it began too early, and what is older would be done again. (The moment "
    "is in seconds, and Kafka's timestamps are in milliseconds.)"
)


def check(work, bootstrap, topic):
    group, moment = f"{topic}-workers", int(time.time()) - 3600
    create(bootstrap, topic, partitions=3)
    old, new = fill(bootstrap, topic, moment)
    stand_at(bootstrap, topic, group, 3)
    before = committed(bootstrap, group, topic, partitions=3)
    orders = work.orders_since(bootstrap, topic, group, moment)
    if early := sorted(order for order in orders if order in old):
        raise Fault(
            "orders_since also returned what is older than the moment, "
            f"{', '.join(early)}: it began too early, and what is older would be done "
            "again. (The moment is in seconds, and Kafka's timestamps are in "
            "milliseconds.)"
        )
    if missing := [order for order in new if order not in orders]:
        raise Fault(
            f"orders_since did not return {', '.join(missing)}: the first order of the "
            "time has the timestamp that was asked for, and the last one is at the "
            "end of its partition."
        )
    if len(orders) != len(new):
        raise Fault(
            f"There are {len(new)} orders since then, and orders_since returned "
            f"{len(orders)}: some came twice."
        )
    if committed(bootstrap, group, topic, partitions=3) != before:
        raise Fault(
            "The group's committed offsets are not the same afterwards: its workers "
            "would go on at the place where the replay has ended, and leave out orders "
            "or do them again."
        )


def fill(bootstrap, topic, moment):
    """Send three orders from before the moment and three since; return both lists."""
    old = [("order 1", 0, -60), ("order 2", 0, -1), ("order 3", 1, -30)]
    new = [("order 4", 0, 0), ("order 5", 0, 1), ("order 6", 0, 60)]
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for order, partition, seconds in old + new:
            stamp = (moment + seconds) * 1000
            place = {"partition": partition, "timestamp_ms": stamp}
            producer.send(topic, order.encode(), **place).get(timeout=10)
    return [order for order, *_ in old], [order for order, *_ in new]


def stand_at(bootstrap, topic, group, offset):
    """Let the group have committed an offset in partition 0."""
    settings = {"group_id": group, "enable_auto_commit": False}
    with KafkaConsumer(bootstrap_servers=bootstrap, **settings) as consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        consumer.commit({partition: OffsetAndMetadata(offset, "", -1)})

"""Read the orders since a time once more, and leave the group where it is.

`orders_since(bootstrap, topic, group, moment)` returns the orders of all partitions
whose timestamp is `moment` or later, in seconds since 1970, up to the end of each
partition at the time of the call: as strings, in any sequence. A partition may have
none of them. `group` works on this topic meanwhile, and its committed offsets must stay
as they are.
"""

import time

from kafka import KafkaConsumer, TopicPartition


def orders_since(bootstrap, topic, group, moment):
    orders, deadline = [], time.monotonic() + 15
    with KafkaConsumer(bootstrap_servers=bootstrap, group_id=group) as consumer:
        numbers = consumer.partitions_for_topic(topic)
        partitions = [TopicPartition(topic, number) for number in numbers]
        ends = consumer.end_offsets(partitions)
        consumer.assign(partitions)
        consumer.seek_to_beginning()  # Finish this: begin where the time begins.
        while any(consumer.position(each) < ends[each] for each in partitions):
            if time.monotonic() > deadline:
                raise TimeoutError("The end of the topic was not reached.")
            for batch in consumer.poll(timeout_ms=500).values():
                orders += [record.value.decode() for record in batch]
    return orders  # Finish this: what has the group learned from this consumer?

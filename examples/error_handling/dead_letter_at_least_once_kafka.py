"""Send the dead letter, wait until it is safe, then commit: a kill loses nothing.

Watch order 2: worker 2 cannot know what worker 1 has sent, and sends it again.
"""

import os
import signal
import sys
from multiprocessing import get_context
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

START = {"auto_offset_reset": "earliest", "enable_auto_commit": False}


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def work(bootstrap, topic, last, handled, dies=False):
    """Handle orders up to `last`, put bad ones aside; die amid the first of them."""
    with (
        KafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer,
        KafkaConsumer(bootstrap_servers=bootstrap, group_id=topic, **START) as consumer,
    ):
        consumer.assign([TopicPartition(topic, 0)])
        for order in consumer:
            if b"bad" in order.value:
                producer.send(f"{topic}-dead", order.value).get(timeout=10)
                if dies:
                    die()
                consumer.commit()
            else:
                handled.put(order.value.decode())
                consumer.commit()
            if order.value.decode() == last:
                return


def run_worker(*arguments, dies=False):
    """Let a worker work in a process of its own; return what it handled."""
    spawn = get_context("spawn")
    handled = spawn.SimpleQueue()
    process = spawn.Process(target=work, args=(*arguments, handled, dies))
    process.start()
    process.join(60)
    return [handled.get() for _ in iter(handled.empty, True)], process.exitcode


def read_all(bootstrap, topic):
    """Return what is in the topic."""
    with KafkaConsumer(bootstrap_servers=bootstrap, **START) as consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        end, orders = consumer.end_offsets([partition])[partition], []
        while consumer.position(partition) < end:
            for batch in consumer.poll(timeout_ms=500).values():
                orders += [order.value.decode() for order in batch]
        return orders


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    orders = ["order 1", "order 2 (bad)", "order 3"]
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        producer.partitions_for(f"{topic}-dead")  # The first question creates it.
        for order in orders:
            producer.send(topic, order.encode()).get(timeout=10)
    one, code = run_worker(bootstrap, topic, orders[-1], dies=True)
    print(f"worker 1 handled {one}, killed: {code == -signal.SIGKILL}")
    two, _ = run_worker(bootstrap, topic, orders[-1])
    print(f"worker 2 handled {two}")
    print(f"dead letters: {read_all(bootstrap, f'{topic}-dead')}")


if __name__ == "__main__":
    main(*sys.argv[1:])

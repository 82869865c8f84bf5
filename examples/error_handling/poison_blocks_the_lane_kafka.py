"""An order that kills its consumer comes first again, and its lane stands still.

Watch the orders behind it: no restart gets to them, and nothing says how often it came.
"""

import signal
import sys
from multiprocessing import get_context
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer, TopicPartition


def send_orders(bootstrap, topic):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for number in range(1, 7):
            producer.send(topic, str(number).encode()).get(timeout=10)


def start_worker(bootstrap, topic):
    worker = KafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=topic,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        consumer_timeout_ms=20000,
    )
    worker.assign([TopicPartition(topic, 0)])  # A group would wait for the dead.
    return worker


def work(bootstrap, topic, began):
    """Handle each order, then commit it, until order 6 is done."""
    with start_worker(bootstrap, topic) as worker:
        for record in worker:
            number = int(record.value)
            began.put(number)
            if number == 3:
                signal.raise_signal(signal.SIGKILL)  # As if memory ran out.
            worker.commit()
            if number == 6:
                break


def run(number, *arguments):
    """Run a worker in a process of its own; print what it began and how it ended."""
    spawn = get_context("spawn")
    began = spawn.SimpleQueue()
    process = spawn.Process(target=work, args=(*arguments, began))
    process.start()
    process.join(60)
    orders = [began.get() for _ in iter(began.empty, True)]
    print(f"worker {number} began {orders}, exit code {process.exitcode}")


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    send_orders(bootstrap, topic)
    for number in range(1, 5):
        run(number, bootstrap, topic)
    with start_worker(bootstrap, topic) as worker:
        print(f"the next one would begin with order {int(next(worker).value)}")
        print(f"committed offset: {worker.committed(TopicPartition(topic, 0))}")


if __name__ == "__main__":
    main(*sys.argv[1:])

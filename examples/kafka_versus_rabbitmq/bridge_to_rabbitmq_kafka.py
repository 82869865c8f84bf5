"""A bridge copies orders from a topic to a queue; killed in the middle, it loses none.

Watch orders 4 and 5: they came twice into the queue, and the consumer knew their ids.
"""

import signal
import sys
from itertools import islice
from multiprocessing import get_context
from uuid import uuid4

import pika
from kafka import KafkaConsumer, KafkaProducer


def send_orders(bootstrap, topic, numbers):
    """Send orders to one partition."""
    with KafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        for number in numbers:
            producer.send(topic, str(number).encode(), partition=0).get(timeout=20)


def bridge(bootstrap, topic, rabbitmq, queue, last, dies_at=None):
    """Publish each order of a batch and await its confirm, then commit the batch."""
    settings = {"group_id": f"{topic}-bridge", "auto_offset_reset": "earliest"}
    settings |= {"enable_auto_commit": False, "consumer_timeout_ms": 30000}
    settings["session_timeout_ms"] = 6000  # How long the group waits for a silent one.
    with (
        pika.BlockingConnection(pika.URLParameters(rabbitmq)) as connection,
        KafkaConsumer(topic, bootstrap_servers=bootstrap, **settings) as consumer,
    ):
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        for record in consumer:
            place = f"{record.topic}-{record.partition}-{record.offset}"
            order = pika.BasicProperties(message_id=place)
            channel.basic_publish("", queue, record.value, order, mandatory=True)
            if int(record.value) == dies_at:
                signal.raise_signal(signal.SIGKILL)
            if record.offset % 3 == 2 or int(record.value) == last:
                consumer.commit()
            if int(record.value) == last:
                break


def run_bridge(*args):
    """Run the bridge in a process of its own until its end."""
    process = get_context("spawn").Process(target=bridge, args=args)
    process.start()
    process.join(60)
    return process.exitcode


def receive(rabbitmq, queue, count):
    with pika.BlockingConnection(pika.URLParameters(rabbitmq)) as connection:
        channel = connection.channel()
        copies = [*islice(channel.consume(queue, inactivity_timeout=15), count)]
        channel.basic_ack(copies[-1][0].delivery_tag, multiple=True)
        return [(order.message_id, int(body)) for _, order, body in copies]


def main(
    bootstrap="localhost:9092",
    rabbitmq="amqp://guest:guest@localhost:5672/",
    topic=f"orders-{uuid4().hex[:8]}",
):
    send_orders(bootstrap, topic, range(1, 11))
    ends = [run_bridge(bootstrap, topic, rabbitmq, topic, 10, at) for at in (5, None)]
    print("the first bridge was killed:", ends == [-signal.SIGKILL, 0])
    copies = receive(rabbitmq, topic, 12)
    print("in the queue:", [number for _, number in copies])
    print("handled, each id once:", [*dict(copies).values()])


if __name__ == "__main__":
    main(*sys.argv[1:])

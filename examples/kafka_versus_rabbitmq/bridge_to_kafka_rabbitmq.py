"""A bridge moves orders from a queue into a topic; killed in the middle, it loses none.

Watch order 5: it came twice into the topic, and the consumer knew its id.
"""

import signal
import sys
from itertools import islice
from multiprocessing import get_context
from uuid import uuid4

import pika
from kafka import KafkaConsumer, KafkaProducer


def send_orders(url, queue, numbers):
    """Send orders to a quorum queue, each with an id of its own."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        for number in numbers:
            order = pika.BasicProperties(message_id=f"order-{number}")
            channel.basic_publish("", queue, str(number).encode(), order)


def bridge(url, queue, kafka, topic, last, dies_at=None):
    """Copy each order, and acknowledge it when all replicas in sync have it."""
    with (
        pika.BlockingConnection(pika.URLParameters(url)) as connection,
        KafkaProducer(bootstrap_servers=kafka, acks="all") as producer,
    ):
        channel = connection.channel()
        channel.basic_qos(prefetch_count=3)
        for method, properties, body in channel.consume(queue, inactivity_timeout=20):
            headers = [("id", properties.message_id.encode())]
            producer.send(topic, body, headers=headers).get(timeout=20)
            if int(body) == dies_at:
                signal.raise_signal(signal.SIGKILL)
            channel.basic_ack(method.delivery_tag)
            if int(body) == last:
                break


def run_bridge(*args):
    """Run the bridge in a process of its own, and wait for its end."""
    process = get_context("spawn").Process(target=bridge, args=args)
    process.start()
    process.join(60)
    return process.exitcode


def receive(kafka, topic, count):
    settings = {"auto_offset_reset": "earliest", "consumer_timeout_ms": 15000}
    with KafkaConsumer(topic, bootstrap_servers=kafka, **settings) as consumer:
        records = islice(consumer, count)
        return [(dict(each.headers)["id"], int(each.value)) for each in records]


def main(
    url="amqp://guest:guest@localhost:5672/",
    kafka="localhost:9092",
    queue=f"orders-{uuid4().hex[:8]}",
):
    send_orders(url, queue, range(1, 11))
    ends = [run_bridge(url, queue, kafka, queue, 10, at) for at in (5, None)]
    print("the first bridge was killed:", ends == [-signal.SIGKILL, 0])
    copies = receive(kafka, queue, 11)
    print("in the topic:", [number for _, number in copies])
    print("handled, each id once:", [*dict(copies).values()])


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Orders move from a queue to a topic over a bridge, and the producer is switched.

Watch the moment of the switch: nothing is lost at either, but order is at one of them.
"""

import sys
from itertools import islice
from uuid import uuid4

import pika
from kafka import KafkaConsumer, KafkaProducer


def send_old(url, queue, numbers):
    """Send orders as the producer does before it is switched."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        for number in numbers:
            channel.basic_publish("", queue, str(number).encode())


def send_new(kafka, topic, numbers):
    """Send orders as the producer does after it is switched."""
    with KafkaProducer(bootstrap_servers=kafka, acks="all") as producer:
        for number in numbers:
            producer.send(topic, str(number).encode(), partition=0).get(timeout=20)


def bridge(url, queue, kafka, topic):
    """Copy what is in the queue into the topic until the queue is empty."""
    with (
        pika.BlockingConnection(pika.URLParameters(url)) as connection,
        KafkaProducer(bootstrap_servers=kafka, acks="all") as producer,
    ):
        channel = connection.channel()
        method, _, body = channel.basic_get(queue)
        while method:
            producer.send(topic, body, partition=0).get(timeout=20)
            channel.basic_ack(method.delivery_tag)
            method, _, body = channel.basic_get(queue)


def receive(kafka, topic, count):
    settings = {"auto_offset_reset": "earliest", "consumer_timeout_ms": 15000}
    with KafkaConsumer(topic, bootstrap_servers=kafka, **settings) as consumer:
        return [int(record.value) for record in islice(consumer, count)]


def cut_over(url, kafka, name, drained_first):
    """Switch the producer after order 5; return what the topic's consumer gets."""
    send_old(url, name, range(1, 6))
    if drained_first:
        bridge(url, name, kafka, name)  # The producer sends nothing meanwhile.
    send_new(kafka, name, range(6, 11))
    bridge(url, name, kafka, name)
    return receive(kafka, name, 10)


def main(
    url="amqp://guest:guest@localhost:5672/",
    kafka="localhost:9092",
    queue=f"orders-{uuid4().hex[:8]}",
):
    for when, drained_first in {"at once": False, "when drained": True}.items():
        orders = cut_over(url, kafka, f"{queue}-{drained_first}", drained_first)
        print(f"switched {when}: {orders}, lost: {sorted({*range(1, 11)} - {*orders})}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Orders move from a topic to a queue over a bridge, and the producer is switched.

Watch what the bridge copies: as the old consumer's group it begins where that one was.
"""

import sys
from itertools import islice
from uuid import uuid4

import pika
from kafka import KafkaConsumer, KafkaProducer, TopicPartition


def send_old(bootstrap, topic, numbers):
    """Send orders as the producer does before it is switched."""
    with KafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        for number in numbers:
            producer.send(topic, str(number).encode(), partition=0).get(timeout=20)


def send_new(rabbitmq, queue, numbers):
    """Declare the queue and send orders to it, as the producer does when switched."""
    with pika.BlockingConnection(pika.URLParameters(rabbitmq)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        for number in numbers:
            channel.basic_publish("", queue, str(number).encode(), mandatory=True)


def read(bootstrap, topic, group, count):
    """Yield so many orders as a member of the group; commit each when it is done."""
    settings = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
    settings |= {"group_id": group, "consumer_timeout_ms": 15000}
    with KafkaConsumer(topic, bootstrap_servers=bootstrap, **settings) as consumer:
        for record in islice(consumer, count):
            yield int(record.value)
            consumer.commit()


def left(bootstrap, topic, group):
    """Return how many orders of the topic the group has not read."""
    place = TopicPartition(topic, 0)
    with KafkaConsumer(bootstrap_servers=bootstrap, group_id=group) as consumer:
        return consumer.end_offsets([place])[place] - (consumer.committed(place) or 0)


def bridge(bootstrap, topic, group, rabbitmq):
    """Copy what the group has not read into the queue of the same name."""
    for number in read(bootstrap, topic, group, left(bootstrap, topic, group)):
        send_new(rabbitmq, topic, [number])


def receive(rabbitmq, queue):
    with pika.BlockingConnection(pika.URLParameters(rabbitmq)) as connection:
        channel = connection.channel()
        gets = iter(lambda: channel.basic_get(queue, auto_ack=True)[2], None)
        return [int(body) for body in gets]


def cut_over(bootstrap, rabbitmq, name, drained_first=False, group="shipping"):
    """Switch the producer after order 5, of which the old consumer has handled two.

    Return these two and what the new consumer gets; the bridge reads as `group`.
    """
    send_old(bootstrap, name, range(1, 6))
    handled = [*read(bootstrap, name, f"{name}-shipping", 2)]
    if drained_first:
        bridge(bootstrap, name, f"{name}-{group}", rabbitmq)  # Nothing is sent now.
    send_new(rabbitmq, name, range(6, 11))
    bridge(bootstrap, name, f"{name}-{group}", rabbitmq)
    return handled, receive(rabbitmq, name)


def main(
    bootstrap="localhost:9092",
    rabbitmq="amqp://guest:guest@localhost:5672/",
    topic=f"orders-{uuid4().hex[:8]}",
):
    for how, options in {
        "switched at once": {},
        "switched when drained": {"drained_first": True},
        "bridged as a new group": {"drained_first": True, "group": "bridge"},
    }.items():
        name = f"{topic}-{how.replace(' ', '-')}"
        old, new = cut_over(bootstrap, rabbitmq, name, **options)
        print(f"{how}: old consumer {old}, new consumer {new}")


if __name__ == "__main__":
    main(*sys.argv[1:])

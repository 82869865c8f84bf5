"""A consumer is killed in the middle of a batch, before and after it acknowledged it.

It takes batches of ten, and dies when it has done half of the third. A second consumer
does the rest. Each order that is done is written down by whoever does it.
"""

import os
from multiprocessing import get_context
from uuid import uuid4

import pika
from kafka import KafkaConsumer, KafkaProducer
from labs.checker import Outcome, account
from labs.hearing import hear

BROKERS = {"kafka": 1, "rabbitmq": 1}
CLIENTS = ("kafka-python", "pika")
VARIANTS = (
    "Kafka, commit first",
    "Kafka, commit last",
    "RabbitMQ, ack first",
    "RabbitMQ, ack last",
)
COUNT, BATCH, LAST = 100, 10, 25  # The first consumer does 25 orders, 0 to 24.


def send_kafka(address, topic):
    with KafkaProducer(bootstrap_servers=address) as producer:
        for number in range(COUNT):
            producer.send(topic, str(number).encode())
        producer.flush(30)


def send_rabbitmq(address, queue):
    with pika.BlockingConnection(pika.URLParameters(address)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True)
        for number in range(COUNT):
            channel.basic_publish("", queue, str(number).encode())


def batches_kafka(address, topic):
    """Yield each batch and what commits it, until nothing has come for 10 seconds."""
    with KafkaConsumer(
        topic,
        bootstrap_servers=address,
        group_id=topic,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=6000,
    ) as consumer:
        while polled := consumer.poll(timeout_ms=10000, max_records=BATCH):
            (records,) = polled.values()
            yield [int(record.value) for record in records], consumer.commit


def batches_rabbitmq(address, queue):
    """Yield each batch and what acknowledges it, until the queue is empty."""
    with pika.BlockingConnection(pika.URLParameters(address)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=BATCH)
        batch = []
        for method, _, body in channel.consume(queue, inactivity_timeout=1):
            if method:
                batch.append(int(body))
            if batch and (not method or len(batch) == BATCH):
                tag = method.delivery_tag if method else 0  # 0 is everything.
                yield batch, lambda tag=tag: channel.basic_ack(tag, multiple=True)
                batch = []
            elif not method:
                return


SEND = {"Kafka": send_kafka, "RabbitMQ": send_rabbitmq}
BATCHES = {"Kafka": batches_kafka, "RabbitMQ": batches_rabbitmq}


def work(broker, address, name, first, line, dies):
    """Do every batch, acknowledge it before or after, and tell `line` what is done."""
    done = 0
    for batch, acknowledge in BATCHES[broker](address, name):
        if first:
            acknowledge()
        for number in batch:
            line.send(number)
            done += 1
            if dies and done == LAST:
                line.close()
                os._exit(1)  # Killed: nothing is closed and nobody is told.
        if not first:
            acknowledge()
        if batch[-1] == COUNT - 1:
            break
    line.send(None)


def consume(*arguments, dies):
    """Run a consumer in a process of its own; return what it did, in order."""
    context = get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(*arguments, there, dies), daemon=True)
    process.start()
    there.close()
    done = []
    for number in hear(here):
        if number is None:
            break
        done.append(number)
    process.join(30)
    return done


def run(brokers, variant, note):
    """Run one variant."""
    broker, order = variant.split(", ")
    address, name = brokers[broker.lower()].address, f"orders-{uuid4().hex[:8]}"
    SEND[broker](address, name)
    note("100 orders wait")
    first = order.endswith("first")
    done = consume(broker, address, name, first, dies=True)
    note(f"the first consumer is killed, it has done {len(done)}")
    rest = consume(broker, address, name, first, dies=False)
    note(f"the second consumer has done {len(rest)}, and there are no more")
    return Outcome(account(range(COUNT), range(COUNT), [*done, *rest]))

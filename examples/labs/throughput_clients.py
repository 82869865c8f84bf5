"""The clients that the throughput lab measures, each in a process of its own.

`python throughput_clients.py FUNCTION JSON` runs one for as long as it may. It says
twice a second how many messages it has done, and in how many seconds.
"""

import json
import sys
import time
from functools import partial

import pika
from confluent_kafka import Consumer, Producer
from kafka import KafkaConsumer, KafkaProducer

INTERVAL = 0.5  # Seconds between two lines.
IDLE = 2  # Seconds without a message after which a reader has read all there is.
TALE = "lamp table chair shelf glass spoon knife plate clock stool carpet mirror"


def orders(size, many=100):
    """Return `many` different orders of `size` letters, as alike as orders are."""
    words = TALE.split()
    made = []
    for number in range(many):
        goods = (f"{words[number * n % 12]} {number * n % 89}" for n in range(1, 2000))
        made.append(f'{{"order": {number * 7919}, "items": "{", ".join(goods)}'[:size])
    return [each.ljust(size).encode() for each in made]


def meter():
    """Yield once to be started, then take numbers of messages, and print the lines."""
    count, since = 0, time.perf_counter()
    while True:
        count += yield
        now = time.perf_counter()
        if now - since >= INTERVAL:
            print(count, now - since, flush=True)
            count, since = 0, now


def metered():
    """Return what is to be called with the number of messages that are done."""
    started = meter()
    next(started)
    return started.send


def librdkafka_sends(servers, topic, size, alone=False, stop=0, **settings):
    """Send without an end, or `stop` orders; `alone` awaits each before the next."""
    producer = Producer({"bootstrap.servers": servers, **settings})
    texts, done, sent = orders(size), metered(), 0

    def on_answer(error, _):
        if error:
            raise SystemExit(str(error))
        done(1)

    while not stop or sent < stop:
        try:
            producer.produce(topic, texts[sent % 100], on_delivery=on_answer)
            sent += 1
            if alone:
                producer.flush()
            elif not sent % 50:
                producer.poll(0)
        except BufferError:
            producer.poll(0.1)
    producer.flush()


def kafka_python_sends(servers, topic, size, **settings):
    """Send without an end."""
    done, texts, sent = metered(), orders(size), 0
    with KafkaProducer(bootstrap_servers=servers, **settings) as producer:
        while True:
            answer = producer.send(topic, texts[sent % 100])
            answer.add_callback(lambda _: done(1))
            sent += 1


def librdkafka_reads(servers, topic, group, commit=False):
    """Read again and again all that the topic has; `commit` does so after each."""
    config = {
        "bootstrap.servers": servers,
        "group.id": group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
    }
    consumer, done = Consumer(config), metered()
    consumer.subscribe([topic])
    while True:
        for record in consumer.consume(1 if commit else 500, 1):
            if record.error():  # It is at the end of a partition.
                place = consumer.assignment()
                (own,) = (p for p in place if p.partition == record.partition())
                own.offset = 0
                consumer.seek(own)
                continue
            if commit:
                consumer.commit(record, asynchronous=False)
            done(1)


def kafka_python_reads(servers, topic, group):
    """Read again and again all that the topic has."""
    done = metered()
    with KafkaConsumer(
        bootstrap_servers=servers,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    ) as consumer:
        consumer.partitions_for_topic(topic)
        consumer.subscribe([topic])
        while True:
            batches = consumer.poll(timeout_ms=1000)
            for place, records in batches.items():
                for _ in records:
                    done(1)
                if records[-1].offset + 1 == consumer.highwater(place):
                    consumer.seek_to_beginning(place)


def pika_sends(url, queue, size, window, stop=0):
    """Send persistent messages with at most `window` unconfirmed, or `stop` in all."""
    persistent = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)
    done, texts, unconfirmed, sent = metered(), orders(size), {}, 0

    def fill(channel):
        nonlocal sent
        while len(unconfirmed) < window and (not stop or sent < stop):
            sent += 1
            unconfirmed[sent] = None
            channel.basic_publish("", queue, texts[sent % 100], persistent)
        if not unconfirmed:
            channel.connection.close()

    def on_confirm(channel, frame):
        last = frame.method.delivery_tag
        if isinstance(frame.method, pika.spec.Basic.Nack):
            raise SystemExit("An order was refused.")
        confirmed = [last]
        if frame.method.multiple:  # It stands for all up to this one.
            confirmed = [tag for tag in unconfirmed if tag <= last]
        for tag in confirmed:
            del unconfirmed[tag]
        done(len(confirmed))
        fill(channel)

    def on_channel(channel):
        channel.confirm_delivery(partial(on_confirm, channel), lambda _: fill(channel))

    connection = pika.SelectConnection(
        pika.URLParameters(url),
        on_open_callback=lambda opened: opened.channel(on_open_callback=on_channel),
        on_close_callback=lambda closed, _: closed.ioloop.stop(),
    )
    connection.ioloop.start()


def pika_sends_blindly(url, queue, size):
    """Send persistent messages without confirms: they count when they are written."""
    persistent = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)
    done, texts, sent = metered(), orders(size), 0
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        while True:
            channel.basic_publish("", queue, texts[sent % 100], persistent)
            sent += 1
            done(1)


def pika_reads(url, queue, prefetch, auto_ack=False, stream=False):
    """Read to the end and acknowledge each message; a stream from its beginning."""
    done = metered()
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=prefetch)
        place = {"x-stream-offset": "first"} if stream else None
        for method, _, _ in channel.consume(
            queue, auto_ack, arguments=place, inactivity_timeout=IDLE
        ):
            if method is None:
                return
            if not auto_ack:
                channel.basic_ack(method.delivery_tag)
            done(1)


if __name__ == "__main__":
    globals()[sys.argv[1]](**json.loads(sys.argv[2]))

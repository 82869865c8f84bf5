"""RabbitMQ's Prometheus plugin tells what the broker does, by these names.

Watch the consumer stop: its orders go from unacked back to ready, and the only sign of
what is wrong is that no consumer is left.
"""

import time
from urllib.request import urlopen

import pika

COUNTERS = [
    "rabbitmq_channel_messages_published_total",
    "rabbitmq_channel_messages_acked_total",
]
GAUGES = [
    "rabbitmq_queue_messages_ready",
    "rabbitmq_queue_messages_unacked",
    "rabbitmq_queue_consumers",
    "rabbitmq_alarms_memory_used_watermark",
    "rabbitmq_alarms_free_disk_space_watermark",
]


def scrape(metrics):
    """Return what Prometheus would read: a value for each name with its labels."""
    with urlopen(metrics, timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if line and line[0] != "#")


def wait_for(metrics, **expected):
    """Wait until the queues are as `expected`, which the broker counts now and then."""
    deadline = time.monotonic() + 30
    while any(
        float(scrape(metrics)[f"rabbitmq_queue_{name}"]) != value
        for name, value in expected.items()
    ):
        if time.monotonic() > deadline:
            raise TimeoutError(f"The endpoint does not tell of {expected}.")
        time.sleep(0.1)


def show(metrics):
    values = scrape(metrics)
    for name in COUNTERS + GAUGES:
        print(f"  {name} {values[name]}")


def main(broker, metrics, queue="orders"):
    parameters = pika.URLParameters(broker.address)
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        for number in range(1, 101):
            channel.basic_publish("", queue, f"order {number}".encode())
        wait_for(metrics, messages_ready=100)
        print("100 orders later:")
        show(metrics)
        consumer = connection.channel()
        consumer.basic_qos(prefetch_count=10)
        for method, _, _ in consumer.consume(queue):
            if method.delivery_tag > 40:
                break
            consumer.basic_ack(method.delivery_tag)
        wait_for(metrics, messages_unacked=10, messages_ready=50)
        print("a consumer has handled 40 and holds 10:")
        show(metrics)
        consumer.close()
        wait_for(metrics, messages_unacked=0, consumers=0, messages_ready=60)
        print("it stopped:")
        show(metrics)

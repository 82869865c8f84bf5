"""The program repeats an order after a time-out, and idempotence does not help.

Watch the log: the first attempt was not lost, only its acknowledgement was late.
"""

from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import KafkaTimeoutError


def connect(bootstrap):
    return KafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True)


def send_order(producer, topic, order):
    """Wait five seconds for the acknowledgement; return how the attempt ended."""
    try:
        producer.send(topic, order.encode()).get(timeout=5)
        return "acknowledged"
    except KafkaTimeoutError:
        return "no answer in time"


def receive(bootstrap, topic):
    """Return every order in the topic, until none has come for two seconds."""
    with KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=2000,
    ) as consumer:
        return [record.value.decode() for record in consumer]


def main(broker, topic="orders"):
    producer = connect(broker.address)
    print(f"order 1: {send_order(producer, topic, 'order 1')}")
    broker.pause()
    print(f"order 2, attempt 1: {send_order(producer, topic, 'order 2')}")
    broker.resume()
    print(f"order 2, attempt 2: {send_order(producer, topic, 'order 2')}")
    print(f"received: {receive(broker.address, topic)}")
    producer.close()

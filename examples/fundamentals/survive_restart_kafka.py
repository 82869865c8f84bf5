"""The broker is killed and started, and an acknowledged order is still there.

Watch the order: nobody reads it until the broker has been down and is up again.
"""

from kafka import KafkaConsumer, KafkaProducer


def send_order(bootstrap, topic, order):
    with KafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        return producer.send(topic, order.encode()).get(timeout=10).offset


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
    offset = send_order(broker.address, topic, "order 1: a lamp")
    print(f"the broker acknowledged the order at offset {offset}")
    broker.kill()
    broker.start()
    print("the broker was killed and started")
    print(f"received: {receive(broker.address, topic)}")

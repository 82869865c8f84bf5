"""The broker is killed and started, and an order that nobody waited for is gone.

Watch the broker: it is frozen when the order is sent, and dies before it could read it.
"""

from kafka import KafkaConsumer, KafkaProducer


def connect(bootstrap, topic):
    """Return a producer that asks for no acknowledgement and has sent a first order."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks=0)
    producer.send(topic, b"order 1: a lamp").get(timeout=10)
    return producer


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
    producer = connect(broker.address, topic)
    print(f"received: {receive(broker.address, topic)}")
    broker.pause()
    producer.send(topic, b"order 2: two books").get(timeout=10)
    print("the producer reports that order 2 was sent")
    broker.kill()
    broker.start()
    producer.close()
    print("the broker was killed and started")
    print(f"received: {receive(broker.address, topic)}")

"""The client repeats a request, and an idempotent producer's repetition is dropped.

Watch the log: each order was sent once, and without idempotence it is there twice.
"""

import time

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer


def connect(bootstrap, topic, idempotent):
    """Return a producer that has sent a first order, so that it knows its way."""
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics({topic: {}}, wait_for_metadata=True)
    producer = KafkaProducer(
        bootstrap_servers=bootstrap,
        enable_idempotence=idempotent,
        request_timeout_ms=3000,  # Then the client sends the request again.
    )
    producer.send(topic, b"order 1").get(timeout=20)
    return producer


def repetitions(producer):
    """Return the client's own figure, which grows with each request it repeats."""
    return producer.metrics()["producer-metrics"]["record-retry-rate"]


def send_into_silence(broker, producer, topic, order):
    """Send while the broker is frozen, until the client gives up on the answer."""
    before, deadline = repetitions(producer), time.monotonic() + 20
    broker.pause()
    answer = producer.send(topic, order.encode())
    while repetitions(producer) <= before:
        if time.monotonic() > deadline:
            raise TimeoutError("The client has not repeated its request.")
    broker.resume()  # It finds the request in its socket, and then the repetition.
    return answer.get(timeout=20).offset


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
    for name, idempotent in (("with", True), ("without", False)):
        producer = connect(broker.address, f"{topic}-{name}", idempotent)
        offset = send_into_silence(broker, producer, f"{topic}-{name}", "order 2")
        producer.close()
        print(f"{name} idempotence: order 2 was acknowledged at offset {offset}")
        print(f"  the log: {receive(broker.address, f'{topic}-{name}')}")

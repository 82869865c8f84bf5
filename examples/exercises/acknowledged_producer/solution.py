"""Send orders, and know of each whether it is stored.

`send_orders(bootstrap, topic, orders)` gets a list of strings and sends each of them.
It returns a list with one entry for each order: the pair (partition, offset) where the
broker has stored it, or None if the broker refused it. An order counts as stored when
every replica in sync has it.
"""

from kafka import KafkaProducer
from kafka.errors import KafkaError


def send_orders(bootstrap, topic, orders):
    places = []
    with KafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        for order in orders:
            try:
                answer = producer.send(topic, order.encode()).get(timeout=10)
                places.append((answer.partition, answer.offset))
            except KafkaError:
                places.append(None)
    return places

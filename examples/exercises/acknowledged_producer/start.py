"""Send orders, and know of each whether it is stored.

`send_orders(bootstrap, topic, orders)` gets a list of strings and sends each of them.
It returns a list with one entry for each order: the pair (partition, offset) where the
broker has stored it, or None if the broker refused it. An order counts as stored when
every replica in sync has it.
"""

from kafka import KafkaProducer


def send_orders(bootstrap, topic, orders):
    places = []
    # Finish this: who must have an order before the broker acknowledges it?
    with KafkaProducer(bootstrap_servers=bootstrap, acks=1) as producer:
        for order in orders:
            producer.send(topic, order.encode())
            places.append((0, 0))  # Finish this: what does the broker answer?
    return places

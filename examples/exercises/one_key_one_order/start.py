"""Keep the orders of each customer in sequence, over several partitions.

`send_orders(bootstrap, topic, orders)` gets a list of pairs (customer, order), both
strings, and sends the orders as values. The topic has several partitions. Whoever reads
a partition must find all orders of a customer in it, as they were placed, and different
customers must be spread. Another producer, which knows only the customer, must find the
same partition.
"""

from kafka import KafkaProducer

PARTITIONS = 4


def send_orders(bootstrap, topic, orders):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for number, (_customer, order) in enumerate(orders):
            # Finish this: what should the place follow from?
            turn = number % PARTITIONS
            producer.send(topic, order.encode(), partition=turn).get(timeout=10)

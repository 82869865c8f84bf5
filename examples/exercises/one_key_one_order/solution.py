"""Keep the orders of each customer in sequence, over several partitions.

`send_orders(bootstrap, topic, orders)` gets a list of pairs (customer, order), both
strings, and sends the orders as values. The topic has several partitions. Whoever reads
a partition must find all orders of a customer in it, as they were placed, and different
customers must be spread. Another producer, which knows only the customer, must find the
same partition.
"""

from kafka import KafkaProducer


def send_orders(bootstrap, topic, orders):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for customer, order in orders:
            producer.send(topic, order.encode(), key=customer.encode()).get(timeout=10)

"""Five customers and four partitions: who is where, and in which sequence."""

from collections import defaultdict

from exercises import Fault
from exercises.kafka_topics import create, read
from kafka import KafkaProducer

STARTS_WITH = (
    "The orders of anna lie in 4 partitions: each partition is read by itself, so "
    "nothing keeps the second order from being handled before the first."
)
CUSTOMERS = ["anna", "ben", "chloé", "dora", "emil"]
STEPS = ["placed", "changed", "paid", "cancelled", "refunded"]


def check(work, bootstrap, topic):
    create(bootstrap, topic, partitions=4)
    orders = [(who, f"{who} {step}") for step in STEPS for who in CUSTOMERS]
    work.send_orders(bootstrap, topic, orders)
    records = read(bootstrap, topic, partitions=4)
    sent, found = (
        [each for _, each in orders],
        [each.value.decode() for each in records],
    )
    if sorted(found) != sorted(sent):
        raise Fault(
            f"{len(sent)} orders were to be sent, and the topic has {len(found)}."
        )
    each_customer_is_in_one_place(records, sent)
    customers_are_spread(records)
    others_find_the_place(bootstrap, topic, records)


def each_customer_is_in_one_place(records, sent):
    partitions, sequence = defaultdict(set), defaultdict(list)
    for record in records:
        customer = record.value.decode().split()[0]
        partitions[customer].add(record.partition)
        sequence[customer].append(record.value.decode())
    for customer in CUSTOMERS:
        if (count := len(partitions[customer])) > 1:
            raise Fault(
                f"The orders of {customer} lie in {count} partitions: each partition "
                "is read by itself, so nothing keeps the second order from being "
                "handled before the first."
            )
        if sequence[customer] != [each for each in sent if each.startswith(customer)]:
            raise Fault(
                f"The orders of {customer} are in one partition in the sequence "
                f"{sequence[customer]}, and they were not placed in that one."
            )


def customers_are_spread(records):
    if len({record.partition for record in records}) == 1:
        raise Fault(
            "All orders of all customers are in one partition: they are in sequence, "
            "but one consumer has all the work and the others have none."
        )


def others_find_the_place(bootstrap, topic, records):
    places = {record.value.decode().split()[0]: record.partition for record in records}
    if any(record.key is None for record in records):
        raise Fault(
            "The records do not say to whom they belong, since they have no key: a "
            "place that is worked out in this program is known to this program only, "
            "and another producer works it out from the key."
        )
    with KafkaProducer(bootstrap_servers=bootstrap) as other:
        for customer, place in places.items():
            sent = other.send(topic, b"next order", key=customer.encode())
            if (found := sent.get(timeout=10).partition) != place:
                raise Fault(
                    f"The orders of {customer} are in partition {place}, and another "
                    f"producer, whose key is {customer} and no more, has put the next "
                    f"one into partition {found}: the two have no order."
                )

"""Kafka's broker filters nothing by headers: each consumer reads every record and drops
what it does not want.

Watch the two counts: what a department has read, and what it wanted.
"""

import sys
from itertools import islice
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer

COUNTRIES = ["de", "fr", "it", "pl"]


def send_orders(bootstrap, topic, count):
    """Send `count` orders to the countries by turns; each tenth is a gift."""
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for number in range(1, count + 1):
            headers = [("country", COUNTRIES[number % len(COUNTRIES)].encode())]
            if number % 10 == 0:
                headers.append(("gift", b"yes"))
            producer.send(topic, f"order {number}".encode(), headers=headers)
        producer.flush(timeout=10)


def read_as(group, bootstrap, topic, count, wants):
    """Read `count` records; return all of them, and those that the group wants."""
    with KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=f"{topic}-{group}",
        auto_offset_reset="earliest",
        consumer_timeout_ms=10000,
    ) as consumer:
        records = list(islice(consumer, count))
    return records, [record for record in records if wants(record)]


def has_all(**asked):
    return lambda record: asked.items() <= dict(record.headers).items()


def has_any(**asked):
    return lambda record: bool(asked.items() & dict(record.headers).items())


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    send_orders(bootstrap, topic, 100)
    for name, has in (("all", has_all), ("any", has_any)):
        wants = has(country=b"de", gift=b"yes")
        read, wanted = read_as(name, bootstrap, topic, 100, wants)
        print(f"{name} of country de, gift: read {len(read)}, wanted {len(wanted)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

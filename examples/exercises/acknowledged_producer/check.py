"""Two topics: one takes all orders, the other none that is large."""

from unittest.mock import patch

from exercises import Fault
from exercises.kafka_topics import create, read
from kafka import KafkaProducer

STARTS_WITH = (
    "The orders are not where send_orders says that they are: where an order is stored "
    "is known when the broker has answered for it, and not before."
)
ORDERS = [f"order {number}" for number in range(1, 6)]


def check(work, bootstrap, topic):
    create(bootstrap, topic, partitions=3)
    every_order_has_its_place(work, bootstrap, topic)
    every_replica_in_sync_is_asked(work, bootstrap, topic)
    create(bootstrap, f"{topic}-small", max_message_bytes=10_000)
    a_refused_order_has_none(work, bootstrap, f"{topic}-small")


def every_order_has_its_place(work, bootstrap, topic):
    places = work.send_orders(bootstrap, topic, ORDERS)
    records = read(bootstrap, topic, partitions=3)
    stored = {(each.partition, each.offset): each.value.decode() for each in records}
    if sorted(stored.values()) != ORDERS:
        raise Fault(
            f"send_orders was given {ORDERS}, and in the topic are "
            f"{sorted(stored.values())}."
        )
    if [stored.get(place) for place in places] != ORDERS:
        raise Fault(STARTS_WITH)


def every_replica_in_sync_is_asked(work, bootstrap, topic):
    """Look at what the producer asks for, since one broker has no second replica."""
    producers, begin = [], KafkaProducer.__init__

    def watched(producer, *arguments, **settings):
        producers.append(producer)
        begin(producer, *arguments, **settings)

    with patch.object(KafkaProducer, "__init__", watched):
        work.send_orders(bootstrap, topic, ORDERS[:1])
    if any(producer.config["acks"] != -1 for producer in producers):
        raise Fault(
            "The broker answers this producer before every replica in sync has the "
            "order: if the leader dies then, the order is gone, and send_orders has "
            "called it stored."
        )


def a_refused_order_has_none(work, bootstrap, topic):
    places = work.send_orders(bootstrap, topic, ["order 1", "x" * 20_000])
    if places != [(0, 0), None]:
        raise Fault(
            "Of two orders the broker refused the second, which was too large, and "
            f"send_orders returned {places}: that is not what has happened to each."
        )

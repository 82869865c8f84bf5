"""The claims of chapter 3 on partitioning: hot keys, finer keys, more partitions."""

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import InvalidPartitionsError
from kafka.partitioner.default import murmur2
from kafka_patterns import (
    adding_partitions_moves_keys_kafka,
    hot_key_kafka,
    spread_hot_key_kafka,
)
from kafka_patterns.adding_partitions_moves_keys_kafka import set_partitions
from waiting import until


def partitions_of(bootstrap, topic, keys):
    """Send a record for each key; return the partition that each went to."""
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        sent = [producer.send(topic, b"step", key=key) for key in keys]
        return [each.get(timeout=10).partition for each in sent]


def customers(count):
    return [f"customer-{number}".encode() for number in range(1, count + 1)]


# A hot key.


@pytest.mark.parametrize("partitions", [4, 16])
def test_kafka_hot_key_fills_one_partition_however_many_there_are(
    kafka, topic, partitions
):
    hot_key_kafka.send_orders(kafka, topic, partitions, 200)
    assert max(hot_key_kafka.count_per_partition(kafka, topic)) >= 100


@pytest.fixture
def spread(kafka, topic):
    """A function that sends the orders with one of the example's keys."""

    def send(key):
        return spread_hot_key_kafka.send_orders(
            kafka, topic, spread_hot_key_kafka.KEYS[key]
        )

    return send


def fullest(sent):
    """Return the share of the fullest of the four partitions."""
    partitions = [step.partition for steps in sent.values() for step in steps]
    return max(map(partitions.count, range(4))) / len(partitions)


def of_big_customer(sent):
    return [placed for order, (placed, _) in sent.items() if order % 2]


def test_kafka_key_of_the_customer_keeps_the_order_of_all_its_orders(spread):
    assert spread_hot_key_kafka.in_sequence(of_big_customer(spread("customer")))


def test_kafka_four_buckets_may_fall_into_two_of_four_partitions(spread):
    sent = spread("customer and 4 buckets")
    assert len({each.partition for each in of_big_customer(sent)}) == 2


def test_kafka_many_buckets_come_near_an_even_share(spread):
    assert fullest(spread("customer and 32 buckets")) < 0.3


def test_kafka_buckets_lose_the_order_of_the_customers_orders(spread):
    sent = spread("customer and 32 buckets")
    assert not spread_hot_key_kafka.in_sequence(of_big_customer(sent))


@pytest.mark.parametrize("key", spread_hot_key_kafka.KEYS)
def test_kafka_finer_keys_keep_the_steps_of_one_order_in_sequence(spread, key):
    assert all(map(spread_hot_key_kafka.in_sequence, spread(key).values()))


# More partitions.


@pytest.mark.parametrize(("partitions", "moved"), [(4, 74), (6, 46)])
def test_kafka_moves_as_many_keys_as_murmur2_predicts(kafka, topic, partitions, moved):
    places = adding_partitions_moves_keys_kafka.send_around_growth(
        kafka, topic, partitions
    )
    assert sum(before != after for before, after in places) == moved
    assert places == [
        tuple(
            adding_partitions_moves_keys_kafka.predict(each, n) for n in (3, partitions)
        )
        for each in adding_partitions_moves_keys_kafka.CUSTOMERS
    ]


@pytest.mark.parametrize(
    ("before", "after", "share"),
    [(3, 4, 0.75), (3, 6, 0.5), (6, 12, 0.5), (12, 13, 12 / 13)],
)
def test_murmur2_moves_this_share_of_many_keys(before, after, share):
    hashes = [murmur2(key) & 0x7FFFFFFF for key in customers(20000)]
    moved = sum(each % before != each % after for each in hashes) / len(hashes)
    assert abs(moved - share) < 0.02


@pytest.mark.parametrize("partitions", [1, 3, 8])
def test_kafka_doubling_leaves_a_key_or_moves_it_on_by_the_old_number(
    kafka, topic, partitions
):
    set_partitions(kafka, topic, partitions)
    before = partitions_of(kafka, topic, customers(200))
    set_partitions(kafka, topic, 2 * partitions)
    after = partitions_of(kafka, topic, customers(200))
    steps = {new - old for old, new in zip(before, after, strict=True)}
    assert steps == {0, partitions}


def test_kafka_reader_sees_the_steps_of_a_moved_key_in_another_order(
    kafka, topic, capsys
):
    adding_partitions_moves_keys_kafka.main(kafka, topic)
    assert capsys.readouterr().out.endswith("first sees: ['paid'], then ['placed']\n")


def test_kafka_leaves_the_old_records_where_they_are(kafka, topic):
    set_partitions(kafka, topic, 3)
    partitions_of(kafka, topic, customers(30))
    before = hot_key_kafka.count_per_partition(kafka, topic)
    set_partitions(kafka, topic, 4)
    assert hot_key_kafka.count_per_partition(kafka, topic) == [*before, 0]


def test_kafka_does_not_take_partitions_away(kafka, topic):
    set_partitions(kafka, topic, 3)
    with (
        KafkaAdminClient(bootstrap_servers=kafka) as admin,
        pytest.raises(InvalidPartitionsError, match="would not be an increase"),
    ):
        admin.create_partitions({topic: 2})


def test_kafka_group_that_starts_at_the_end_misses_the_start_of_a_new_partition(
    kafka, topic
):
    def send(value, partition):
        with KafkaProducer(bootstrap_servers=kafka) as producer:
            producer.send(topic, value, partition=partition).get(timeout=10)

    def member():
        usual = {"group_id": topic, "auto_offset_reset": "latest"}
        return KafkaConsumer(topic, bootstrap_servers=kafka, **usual)

    def read(consumer):
        polled = consumer.poll(timeout_ms=100).values()
        values.extend(each.value for records in polled for each in records)
        return values

    values = []
    set_partitions(kafka, topic, 1)
    with member() as consumer:
        until(lambda: read(consumer) or consumer.assignment())
        consumer.position(TopicPartition(topic, 0))
        consumer.commit()
    set_partitions(kafka, topic, 2)
    send(b"order 1", 1)  # Before any member has heard of partition 1.
    send(b"order 2", 0)
    with member() as consumer:
        consumer.partitions_for_topic(topic)
        assert until(lambda: read(consumer), 20)
        assert consumer.position(TopicPartition(topic, 1)) == 1
    assert values == [b"order 2"]

"""From one kind of broker to the other, of chapter 9: bridges and a cut-over."""

import signal

from kafka_versus_rabbitmq import (
    bridge_to_kafka_rabbitmq,
    bridge_to_rabbitmq_kafka,
    cut_over_to_kafka_rabbitmq,
    cut_over_to_rabbitmq_kafka,
)

ORDERS = [*range(1, 11)]


def test_a_killed_bridge_to_kafka_loses_nothing_and_repeats_one(rabbitmq, kafka, queue):
    program = bridge_to_kafka_rabbitmq
    program.send_orders(rabbitmq, queue, ORDERS)
    ends = [program.run_bridge(rabbitmq, queue, kafka, queue, 10, at) for at in (5, 0)]
    copies = program.receive(kafka, queue, 11)
    assert ends == [-signal.SIGKILL, 0]
    assert [number for _, number in copies] == sorted([*ORDERS, 5])


def test_the_id_of_the_message_goes_over_the_bridge_to_kafka(rabbitmq, kafka, queue):
    program = bridge_to_kafka_rabbitmq
    program.send_orders(rabbitmq, queue, [1, 2])
    program.bridge(rabbitmq, queue, kafka, queue, 2)
    assert program.receive(kafka, queue, 2) == [(b"order-1", 1), (b"order-2", 2)]


def test_a_killed_bridge_to_rabbitmq_repeats_what_it_had_not_committed(
    kafka, rabbitmq, topic
):
    program = bridge_to_rabbitmq_kafka
    program.send_orders(kafka, topic, ORDERS)
    ends = [program.run_bridge(kafka, topic, rabbitmq, topic, 10, at) for at in (5, 0)]
    copies = program.receive(rabbitmq, topic, 12)
    assert ends == [-signal.SIGKILL, 0]
    assert [number for _, number in copies] == [1, 2, 3, 4, 5, 4, 5, 6, 7, 8, 9, 10]
    assert [*dict(copies).values()] == ORDERS


def test_a_producer_that_is_switched_at_once_overtakes_the_bridge(
    rabbitmq, kafka, queue
):
    orders = cut_over_to_kafka_rabbitmq.cut_over(rabbitmq, kafka, queue, False)
    assert orders == [6, 7, 8, 9, 10, 1, 2, 3, 4, 5]


def test_a_producer_that_is_switched_when_the_queue_is_drained_keeps_the_order(
    rabbitmq, kafka, queue
):
    orders = cut_over_to_kafka_rabbitmq.cut_over(rabbitmq, kafka, queue, True)
    assert orders == ORDERS


def test_a_producer_that_is_switched_at_once_overtakes_the_bridge_to_rabbitmq(
    kafka, rabbitmq, topic
):
    _, orders = cut_over_to_rabbitmq_kafka.cut_over(kafka, rabbitmq, topic)
    assert orders == [6, 7, 8, 9, 10, 3, 4, 5]


def test_a_producer_that_is_switched_when_the_group_has_no_lag_keeps_the_order(
    kafka, rabbitmq, topic
):
    _, orders = cut_over_to_rabbitmq_kafka.cut_over(kafka, rabbitmq, topic, True)
    assert orders == ORDERS[2:]


def test_a_bridge_that_is_a_group_of_its_own_copies_what_was_handled(
    kafka, rabbitmq, topic
):
    _, orders = cut_over_to_rabbitmq_kafka.cut_over(
        kafka, rabbitmq, topic, True, "bridge"
    )
    assert orders == ORDERS

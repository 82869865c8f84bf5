"""The claims of chapter 4 about consuming: acknowledgements, prefetch, consumers."""

import time
from collections import namedtuple

import pytest
from pika.exceptions import ChannelClosedByBroker, NackError, UnroutableError
from rabbitmq_concepts import (
    auto_ack_loses_rabbitmq,
    consumer_timeout_rabbitmq,
    manual_ack_rabbitmq,
    nack_loops_forever_rabbitmq,
    prefetch_window_kafka,
    prefetch_window_rabbitmq,
    reject_reaches_the_limit_rabbitmq,
    single_active_consumer_kafka,
    single_active_consumer_rabbitmq,
)
from waiting import until

BOTH = pytest.mark.parametrize("queue_type", ["quorum", "classic"])

Delivery = namedtuple("Delivery", "tag body redelivered headers")


def fill(channel, queue, last, queue_type="quorum", **arguments):
    """Declare a queue and publish the messages 1 to `last` to it."""
    arguments = {each.replace("_", "-"): value for each, value in arguments.items()}
    arguments["x-queue-type"] = queue_type
    channel.queue_declare(queue, durable=True, arguments=arguments)
    for number in range(1, last + 1):
        channel.basic_publish("", queue, str(number).encode())


def subscribe(channel, queue, prefetch=0, **options):
    """Consume; return the list to which each delivery is added as it is read."""
    arrived = []

    def add(_, method, properties, body):
        tag, redelivered = method.delivery_tag, method.redelivered
        arrived.append(Delivery(tag, body.decode(), redelivered, properties.headers))

    channel.basic_qos(prefetch_count=prefetch)
    channel.basic_consume(queue, add, **options)
    return arrived


def read(channel, arrived, count):
    """Read what comes, until there are `count` and no more for a moment; return
    the bodies.
    """
    deadline = time.monotonic() + 10
    while len(arrived) < count and time.monotonic() < deadline:
        channel.connection.process_data_events(0.05)
    channel.connection.sleep(0.2)
    return [each.body for each in arrived]


def take(channel, queue, count, **options):
    """Consume until there are `count` and no more for a moment."""
    arrived = subscribe(channel, queue, **options)
    read(channel, arrived, count)
    return arrived


def bodies(deliveries):
    return [each.body for each in deliveries]


def ready(channel, queue):
    return channel.queue_declare(queue, passive=True).method.message_count


# Acknowledging.


def test_rabbitmq_sends_again_what_was_not_acknowledged_in_order_and_marked(
    rabbitmq, queue, capsys
):
    manual_ack_rabbitmq.main(rabbitmq, queue)
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "order 1, redelivered: True",
        "order 3, redelivered: True",
        "order 5, redelivered: True",
    ]


@pytest.mark.parametrize(("auto_ack", "left"), [(False, 497), (True, 0)])
def test_rabbitmq_automatic_acknowledgement_loses_all_that_was_sent(
    rabbitmq, queue, auto_ack, left
):
    assert auto_ack_loses_rabbitmq.die_with_orders(rabbitmq, queue, auto_ack) == left


@BOTH
@pytest.mark.parametrize(("tag", "left"), [(3, ["4", "5"]), (0, [])])
def test_rabbitmq_acknowledges_all_up_to_the_tag_and_zero_means_all(
    new_channel, queue, queue_type, tag, left
):
    worker = new_channel()
    fill(worker, queue, 5, queue_type)
    take(worker, queue, 5)
    worker.basic_ack(tag, multiple=True)
    worker.connection.close()
    assert bodies(take(new_channel(), queue, len(left))) == left


def acknowledge_unknown(channel):
    channel.basic_ack(7)
    channel.basic_qos()  # Waits for an answer.


def acknowledge_twice(channel):
    channel.basic_ack(1)
    channel.basic_ack(1)
    channel.basic_qos()


def acknowledge_elsewhere(channel):
    other = channel.connection.channel()
    other.basic_ack(1)
    other.basic_qos()


@BOTH
@pytest.mark.parametrize(
    "mistake", [acknowledge_unknown, acknowledge_twice, acknowledge_elsewhere]
)
def test_rabbitmq_closes_the_channel_that_acknowledges_what_it_does_not_hold(
    new_channel, queue, queue_type, mistake
):
    worker = new_channel()
    fill(worker, queue, 1, queue_type)
    take(worker, queue, 1)
    with pytest.raises(ChannelClosedByBroker, match="unknown delivery tag") as error:
        mistake(worker)
    assert error.value.reply_code == 406
    assert worker.connection.is_open


def test_rabbitmq_takes_the_tag_of_another_channel_for_one_of_its_own(
    new_channel, queue
):
    channel, wrong = new_channel(), new_channel()
    fill(channel, queue, 2)
    for each, held in ((channel, "1"), (wrong, "2")):
        assert bodies(take(each, queue, 1, prefetch=1)) == [held]
    wrong.basic_ack(1)  # Meant for message 1, which the other channel holds.
    channel.connection.close()
    wrong.connection.close()
    assert bodies(take(new_channel(), queue, 1)) == ["1"]


@BOTH
def test_rabbitmq_gives_back_what_a_channel_held_when_it_is_closed(
    new_channel, queue, queue_type
):
    worker = new_channel()
    fill(worker, queue, 3, queue_type)
    take(worker, queue, 3)
    worker.basic_ack(2)
    worker.close()  # The connection stays.
    again = take(new_channel(), queue, 2)
    assert bodies(again) == ["1", "3"]
    assert all(each.redelivered for each in again)


@BOTH
def test_rabbitmq_leaves_the_messages_with_a_consumer_that_only_cancels(
    new_channel, queue, queue_type
):
    worker = new_channel()
    fill(worker, queue, 2, queue_type)
    take(worker, queue, 1, prefetch=1)
    worker.basic_cancel(worker.consumer_tags[0])
    other = new_channel()
    arrived = subscribe(other, queue)
    assert read(other, arrived, 1) == ["2"]
    worker.close()
    assert read(other, arrived, 2) == ["2", "1"]


@pytest.mark.parametrize(
    ("queue_type", "headers"),
    [("quorum", {"x-acquired-count": 1, "x-delivery-count": 1}), ("classic", None)],
)
def test_rabbitmq_says_how_often_it_was_sent_in_quorum_queues_only(
    new_channel, queue, queue_type, headers
):
    worker = new_channel()
    fill(worker, queue, 1, queue_type)
    ((tag, *_),) = take(worker, queue, 1)
    worker.basic_cancel(worker.consumer_tags[0])
    worker.basic_reject(tag, requeue=True)
    (again,) = take(new_channel(), queue, 1)
    assert again.redelivered
    assert again.headers == headers


# Giving back: where it goes, what is counted.


def test_rabbitmq_does_not_count_nacks_and_never_gets_to_what_waits_behind(
    rabbitmq, queue
):
    nack_loops_forever_rabbitmq.send_orders(rabbitmq, queue)
    headers, handled = nack_loops_forever_rabbitmq.work(rabbitmq, queue, 1, 50)
    assert headers == [{}, *({"x-acquired-count": each} for each in range(1, 50))]
    assert handled == []


@BOTH
def test_rabbitmq_starves_nobody_if_the_bad_order_takes_one_place_of_several(
    new_channel, queue, queue_type
):
    fill(new_channel(), queue, 6, queue_type)
    one, other = new_channel(), new_channel()
    arrived = [subscribe(each, queue, prefetch=1) for each in (one, other)]
    handled, deadline = [], time.monotonic() + 10
    while len(handled) < 5 and time.monotonic() < deadline:
        for worker, deliveries in zip((one, other), arrived, strict=True):
            worker.connection.process_data_events(0.01)
            while deliveries:
                tag, body, *_ = deliveries.pop()
                if body == "1":
                    worker.basic_nack(tag, requeue=True)
                else:
                    worker.basic_ack(tag)
                    handled.append(body)
    assert handled == ["2", "3", "4", "5", "6"]


def test_rabbitmq_handles_the_others_with_a_prefetch_of_two(rabbitmq, queue):
    nack_loops_forever_rabbitmq.send_orders(rabbitmq, queue)
    _, handled = nack_loops_forever_rabbitmq.work(rabbitmq, queue, 2, 50)
    assert handled == ["order 2", "order 3"]


def test_rabbitmq_dead_letters_what_was_rejected_more_often_than_its_limit(
    rabbitmq, queue, capsys
):
    reject_reaches_the_limit_rabbitmq.main(rabbitmq, queue)
    assert capsys.readouterr().out.splitlines() == [
        "order 1 (bad): deliveries: 21",
        "order 2: deliveries: 1",
        "dead letter: order 1 (bad)",
        "  x-first-death-reason: delivery_limit",
        "  x-delivery-count: 21",
        "  x-acquired-count: 21",
        "  x-death: reason delivery_limit, count 1",
    ]


def reject_forty_times(channel, queue):
    """Reject message 1 forty times; return the messages that came."""
    came = []
    channel.basic_qos(prefetch_count=1)
    for method, _, body in channel.consume(queue, inactivity_timeout=5):
        came.append(body.decode())
        if len(came) == 40:
            return came
        channel.basic_reject(method.delivery_tag, requeue=True)


def test_rabbitmq_classic_queue_has_no_delivery_limit(channel, queue):
    fill(channel, queue, 2, "classic")
    assert reject_forty_times(channel, queue) == ["1"] * 40


def test_rabbitmq_limit_of_minus_one_is_none_and_the_message_still_goes_to_the_front(
    channel, queue
):
    fill(channel, queue, 2, x_delivery_limit=-1)
    assert reject_forty_times(channel, queue) == ["1"] * 40


@pytest.mark.parametrize(
    ("queue_type", "comes"),
    [("quorum", ["2", "1", "4", "5"]), ("classic", ["1", "2", "4", "5"])],
)
def test_rabbitmq_puts_what_is_given_back_before_what_is_ready(
    new_channel, queue, queue_type, comes
):
    worker = new_channel()
    fill(worker, queue, 5, queue_type)
    take(worker, queue, 3, prefetch=3)
    worker.basic_cancel(worker.consumer_tags[0])
    worker.basic_nack(2, requeue=True)
    worker.basic_nack(1, requeue=True)  # The order of returns, or the original one.
    ready(worker, queue)  # Whoever answers this has handled both.
    assert bodies(take(new_channel(), queue, 4)) == comes


@BOTH
@pytest.mark.parametrize("refuse", ["basic_nack", "basic_reject"])
def test_rabbitmq_dead_letters_what_is_refused_with_the_reason_rejected(
    new_channel, queue, queue_type, refuse
):
    dead = f"{queue}-dead"
    worker = new_channel()
    fill(worker, dead, 0)
    target = {"x_dead_letter_exchange": "", "x_dead_letter_routing_key": dead}
    fill(worker, queue, 1, queue_type, **target)
    ((tag, *_),) = take(worker, queue, 1)
    getattr(worker, refuse)(tag, requeue=False)
    (letter,) = take(new_channel(), dead, 1)
    assert letter.headers["x-first-death-reason"] == "rejected"
    assert letter.headers["x-death"][0]["queue"] == queue


def test_rabbitmq_counts_a_closed_channel_as_a_failure_and_a_timeout_not(
    new_channel, queue
):
    closes, holds = new_channel(), new_channel()
    fill(closes, queue, 1)
    take(closes, queue, 1)
    closes.close()
    (second,) = take(holds, queue, 1, arguments={"x-consumer-timeout": 1000})
    assert second.headers == {"x-acquired-count": 1, "x-delivery-count": 1}
    (third,) = take(new_channel(), queue, 1)
    assert third.headers == {"x-acquired-count": 2, "x-delivery-count": 1}


# Prefetch.


@pytest.mark.parametrize(
    ("prefetch", "held"), [(0, (10, 0, 0)), (3, (3, 3, 2)), (1, (1, 1, 1))]
)
def test_rabbitmq_prefetch_is_what_one_consumer_holds_and_leaves_the_rest(
    rabbitmq, queue, prefetch, held
):
    assert prefetch_window_rabbitmq.hold(rabbitmq, queue, prefetch) == held


def test_kafka_reads_on_without_a_commit(kafka, topic, capsys):
    prefetch_window_kafka.main(kafka, topic)
    assert capsys.readouterr().out == (
        "10 orders, at most 3 a poll: [3, 3, 3, 1]\n"
        "worker 1 is at offset 10\n"
        "committed: None\n"
    )


@BOTH
def test_rabbitmq_prefetch_holds_for_each_consumer_that_starts_after_it(
    channel, queue, queue_type
):
    fill(channel, queue, 20, queue_type)
    two = subscribe(channel, queue, prefetch=2)
    five = subscribe(channel, queue, prefetch=5)
    read(channel, five, 5)
    assert (len(two), len(five)) == (2, 5)


@pytest.mark.parametrize(("prefetch", "held"), [(0, 2000), (2100, 2100)])
def test_rabbitmq_quorum_queue_takes_no_prefetch_for_2000(
    new_channel, queue, prefetch, held
):
    channel = new_channel()
    fill(channel, queue, 0)
    quick = channel.connection.channel()  # Without a confirm for each.
    for number in range(2200):
        quick.basic_publish("", queue, str(number).encode())
    assert until(lambda: ready(channel, queue) == 2200)
    assert len(take(channel, queue, held, prefetch=prefetch)) == held


@BOTH
def test_rabbitmq_takes_a_global_prefetch_for_one_of_each_consumer(
    channel, queue, queue_type
):
    fill(channel, queue, 20, queue_type)
    channel.basic_qos(prefetch_count=2, global_qos=True)  # It is not refused.
    arrived = []
    for _ in range(2):
        channel.basic_consume(queue, lambda *delivery: arrived.append(delivery))
    read_all = time.monotonic() + 10
    while len(arrived) < 4 and time.monotonic() < read_all:
        channel.connection.process_data_events(0.05)
    channel.connection.sleep(0.2)
    assert len(arrived) == 4  # Shared by the channel, it would be two.


@BOTH
def test_rabbitmq_gets_single_messages_beyond_the_prefetch(channel, queue, queue_type):
    fill(channel, queue, 5, queue_type)
    channel.basic_qos(prefetch_count=1)
    got = [channel.basic_get(queue)[2] for _ in range(5)]
    assert got == [b"1", b"2", b"3", b"4", b"5"]


# Who is a consumer's rival: exclusive, single active, priorities.


def test_rabbitmq_worker_that_dies_is_followed_in_sequence(rabbitmq, queue):
    take_over = single_active_consumer_rabbitmq.take_over
    assert take_over(rabbitmq, queue, dies=True) == (None, [3, 4, 5, 6])


def test_rabbitmq_worker_that_closes_with_an_order_in_hand_is_overtaken(
    rabbitmq, queue
):
    take_over = single_active_consumer_rabbitmq.take_over
    before, after = take_over(rabbitmq, queue, dies=False)
    assert before is None
    assert after[0] == 4
    assert sorted(after) == [3, 4, 5, 6]


@BOTH
def test_rabbitmq_worker_that_closes_with_nothing_in_hand_is_followed_in_sequence(
    new_channel, queue, queue_type
):
    one, two = new_channel(), new_channel()
    fill(one, queue, 4, queue_type, x_single_active_consumer=True)
    held = subscribe(one, queue, prefetch=2)
    follows = subscribe(two, queue)
    assert read(one, held, 2) == ["1", "2"]
    assert read(two, follows, 0) == []
    one.basic_cancel(one.consumer_tags[0])
    one.basic_ack(2, multiple=True)
    one.connection.close()
    assert read(two, follows, 2) == ["3", "4"]


def test_kafka_worker_that_closes_is_followed_from_its_commit(kafka, topic, capsys):
    single_active_consumer_kafka.main(kafka, topic)
    assert capsys.readouterr().out == (
        "worker 1 has order 3 in hand, worker 2 is sent nothing\n"
        "worker 1 closes, worker 2 is sent order 3 first\n"
        "in the end worker 2 had [3, 4, 5, 6]\n"
    )


def test_rabbitmq_classic_queue_refuses_others_beside_an_exclusive_consumer(
    new_channel, queue
):
    first = new_channel()
    fill(first, queue, 0, "classic")
    subscribe(first, queue, exclusive=True)
    with pytest.raises(ChannelClosedByBroker, match="in exclusive use") as error:
        subscribe(new_channel(), queue)
    assert error.value.reply_code == 403


def test_rabbitmq_quorum_queue_does_not_heed_exclusive(new_channel, queue):
    one, two = new_channel(), new_channel()
    fill(one, queue, 2)
    first = subscribe(one, queue, prefetch=1, exclusive=True)
    second = subscribe(two, queue, prefetch=1, exclusive=True)
    assert (read(one, first, 1), read(two, second, 1)) == (["1"], ["2"])


def test_rabbitmq_refuses_an_exclusive_consumer_beside_a_single_active_one(
    channel, queue
):
    fill(channel, queue, 0, "classic", x_single_active_consumer=True)
    with pytest.raises(ChannelClosedByBroker, match="in exclusive use"):
        subscribe(channel, queue, exclusive=True)


def test_rabbitmq_refuses_to_get_from_a_quorum_queue_with_single_active_consumer(
    channel, queue
):
    fill(channel, queue, 1, x_single_active_consumer=True)
    with pytest.raises(ChannelClosedByBroker, match="not supported") as error:
        channel.basic_get(queue)
    assert error.value.reply_code == 405


@BOTH
def test_rabbitmq_serves_the_higher_consumer_priority_while_it_has_room(
    new_channel, queue, queue_type
):
    high, low = new_channel(), new_channel()
    fill(high, queue, 0, queue_type)
    below = subscribe(low, queue, prefetch=2)
    above = subscribe(high, queue, prefetch=2, arguments={"x-priority": 10})
    for number in range(1, 6):
        high.basic_publish("", queue, str(number).encode())
    assert read(high, above, 2) == ["1", "2"]
    assert read(low, below, 2) == ["3", "4"]
    high.basic_ack(1)
    assert read(high, above, 3) == ["1", "2", "5"]


# A consumer that ends: its queue goes, or its time is over.


@BOTH
def test_rabbitmq_tells_a_consumer_that_its_queue_was_deleted(
    new_channel, queue, queue_type
):
    worker = new_channel()
    fill(worker, queue, 0, queue_type)
    cancelled = []
    worker.add_on_cancel_callback(cancelled.append)
    subscribe(worker, queue)
    new_channel().queue_delete(queue)
    assert until(lambda: worker.connection.sleep(0.05) or cancelled, 10)
    worker.connection.sleep(0.5)  # It is told once.
    assert len(cancelled) == 1
    assert worker.is_open


def test_pika_ends_the_loop_over_a_deleted_queue_without_an_error(new_channel, queue):
    worker = new_channel()
    fill(worker, queue, 1)
    deliveries = worker.consume(queue)
    next(deliveries)
    new_channel().queue_delete(queue)
    assert list(deliveries) == []


def test_rabbitmq_exclusive_queue_is_for_its_connection_and_goes_with_it(
    new_channel, queue
):
    owner, other = new_channel(), new_channel()
    owner.queue_declare(queue, exclusive=True)
    with pytest.raises(ChannelClosedByBroker, match="exclusive access") as error:
        subscribe(other, queue)
    assert error.value.reply_code == 405
    owner.close()  # Not with its channel,
    owner = owner.connection.channel()
    owner.queue_declare(queue, passive=True)
    owner.connection.close()  # but with its connection.
    with pytest.raises(ChannelClosedByBroker, match="404"):
        new_channel().queue_declare(queue, passive=True)


@BOTH
def test_rabbitmq_queue_with_x_expires_lives_while_it_has_a_consumer(
    new_channel, queue, queue_type
):
    worker, publisher = new_channel(), new_channel()
    fill(worker, queue, 0, queue_type, x_expires=1000)
    subscribe(worker, queue)
    worker.connection.sleep(2)

    def gone():
        try:  # Unlike a declaration, publishing is no use of the queue.
            publisher.basic_publish("", queue, b"order", mandatory=True)
        except NackError:
            return False  # It is being deleted.
        except UnroutableError:
            return True

    assert not gone()
    worker.basic_cancel(worker.consumer_tags[0])
    assert until(gone, 10)


def test_rabbitmq_takes_back_what_is_held_too_long_and_keeps_the_channel(
    rabbitmq, queue, capsys
):
    consumer_timeout_rabbitmq.main(rabbitmq, queue)
    assert capsys.readouterr().out == (
        "the consumer holds order 7\n"
        "the broker has cancelled the consumer\n"
        "the channel is open: True\n"
        "a new consumer on it gets order 7\n"
        "  redelivered: True\n"
        "  x-acquired-count: 1\n"
        "  x-delivery-count: None\n"
        "a classic queue refuses the argument: 406\n"
    )


def test_rabbitmq_consumer_timeout_fires_at_its_time_and_not_by_the_minute(
    channel, queue
):
    fill(channel, queue, 1)
    cancelled = []
    channel.add_on_cancel_callback(lambda _: cancelled.append(time.monotonic()))
    arrived = subscribe(channel, queue, arguments={"x-consumer-timeout": 500})
    assert until(lambda: channel.connection.sleep(0.01) or arrived, 10)
    taken_at = time.monotonic()
    assert until(lambda: channel.connection.sleep(0.05) or cancelled, 5)
    assert 0.3 < cancelled[0] - taken_at < 5


def test_rabbitmq_consumer_timeout_after_an_acknowledgement_fires_with_the_next_command(
    new_channel, queue
):
    worker, publisher = new_channel(), new_channel()
    fill(worker, queue, 2, x_consumer_timeout=700)
    cancelled = []
    worker.add_on_cancel_callback(cancelled.append)
    arrived = subscribe(worker, queue, prefetch=1)
    assert read(worker, arrived, 1) == ["1"]
    worker.basic_ack(1)
    assert read(worker, arrived, 2) == ["1", "2"]
    # On 4.3.6 message 2 is often still held after its time, if the queue has no work.
    worker.connection.sleep(1)
    publisher.basic_publish("", queue, b"3")
    deadline = time.monotonic() + 5
    while not cancelled and time.monotonic() < deadline:
        worker.connection.process_data_events(0.05)
    assert cancelled


def test_rabbitmq_classic_queue_refuses_the_timeout_of_a_consumer(channel, queue):
    fill(channel, queue, 0, "classic")
    with pytest.raises(ChannelClosedByBroker, match="x-consumer-timeout"):
        subscribe(channel, queue, arguments={"x-consumer-timeout": 500})


def test_rabbitmq_consumer_timeout_runs_also_for_what_waits_in_the_window(
    new_channel, queue
):
    worker, other = new_channel(), new_channel()
    fill(worker, queue, 3, x_consumer_timeout=6000)
    arrived = subscribe(worker, queue, prefetch=3)
    assert read(worker, arrived, 3) == ["1", "2", "3"]
    handed = time.monotonic()
    worker.connection.sleep(3)  # Pretends to work on message 1.
    worker.basic_ack(1)
    worker.connection.sleep(2.5)  # And on message 2, for less than six seconds.
    assert bodies(take(other, queue, 2)) == ["2", "3"]
    assert time.monotonic() - handed < 8  # From the acknowledgement it would be 9.


def test_rabbitmq_closes_the_channel_that_got_a_message_and_holds_it_too_long(
    new_channel, queue
):
    worker = new_channel()
    fill(worker, queue, 1, x_consumer_timeout=1000)
    worker.basic_get(queue)
    assert bodies(take(new_channel(), queue, 1)) == ["1"]
    with pytest.raises(ChannelClosedByBroker, match="timed out"):
        worker.queue_declare(queue, passive=True)


def test_rabbitmq_sends_again_to_a_cancelled_consumer_that_acknowledges_late(
    new_channel, queue
):
    worker, other = new_channel(), new_channel()
    fill(worker, queue, 2, x_consumer_timeout=2000)
    cancelled = []
    worker.add_on_cancel_callback(cancelled.append)
    arrived = subscribe(worker, queue, prefetch=1)
    assert until(lambda: worker.connection.sleep(0.05) or cancelled, 30)
    assert ready(other, queue) == 2
    worker.basic_ack(1)
    assert until(lambda: ready(other, queue) == 1, 5)  # It is out with the worker,
    assert bodies(arrived) == ["1"]  # whose client does not hand it on.
    worker.connection.close()
    assert bodies(take(other, queue, 2)) == ["1", "2"]

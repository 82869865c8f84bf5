"""The claims of chapter 4 about publishing: durability, confirms, limits and alarms."""

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor

import pika
import pytest
from brokers import BrokerError
from brokers import rabbitmq as start_rabbitmq
from brokers.rabbitmq_node import rabbitmqctl
from kafka_architecture import retention_removes_segments_rabbitmq
from pika import BasicProperties
from pika.exceptions import (
    ChannelClosedByBroker,
    ConnectionBlockedTimeout,
    ConnectionClosedByBroker,
    NackError,
    UnroutableError,
)
from rabbitmq_concepts import (
    confirm_each_kafka,
    confirm_each_rabbitmq,
    confirm_never_kafka,
    confirm_never_rabbitmq,
    confirm_window_kafka,
    confirm_window_rabbitmq,
    durable_survives_rabbitmq,
    length_limit_drops_rabbitmq,
    length_limit_rejects_rabbitmq,
    persistent_needs_confirms_rabbitmq,
    transient_vanishes_rabbitmq,
)
from waiting import until

MIB = 1024 * 1024
TRANSIENT_QUEUES = "transient_nonexcl_queues"


@pytest.fixture(scope="module")
def broker():
    """A RabbitMQ node of its own, since the tests stop it and set policies."""
    with start_rabbitmq() as broker:
        yield broker


@pytest.fixture(scope="module")
def strict_broker():
    """A RabbitMQ node that denies transient queues, which has also alarms to raise."""
    permit = {f"deprecated_features.permit.{TRANSIENT_QUEUES}": "false"}
    with start_rabbitmq(settings=permit) as broker:
        yield broker


@pytest.fixture
def own_channel(broker):
    """The same, on the node of this module."""
    with pika.BlockingConnection(pika.URLParameters(broker.address)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        yield channel


def declare(channel, queue, kind="classic", **arguments):
    """Declare a durable queue; x_max_length=3 stands for the argument x-max-length."""
    named = {name.replace("_", "-"): value for name, value in arguments.items()}
    arguments = {"x-queue-type": kind, **named}
    channel.queue_declare(queue, durable=True, arguments=arguments)


def publish(channel, queue, count):
    """Publish messages 1 to `count`; return the numbers of those that were refused."""
    refused = []
    for number in range(1, count + 1):
        try:
            channel.basic_publish("", queue, str(number).encode())
        except NackError:
            refused.append(number)
    return refused


def depth(channel, queue):
    """Return how many messages in the queue are ready."""
    return channel.queue_declare(queue, passive=True).method.message_count


def take_all(channel, queue):
    """Take every message out of the queue; return the bodies."""
    bodies = []
    while (message := channel.basic_get(queue, auto_ack=True))[0]:
        bodies.append(message[2].decode())
    return bodies


def exists(channel, queue):
    """Tell whether there is such a queue; a channel of its own is closed if not."""
    asking = channel.connection.channel()
    try:
        asking.queue_declare(queue, passive=True)
    except ChannelClosedByBroker as closed:
        if closed.reply_code != 404:
            raise
        return False
    return True


# Durability: what a restart keeps.


def test_rabbitmq_restart_keeps_persistent_messages_of_a_durable_queue(
    broker, queue, capsys
):
    durable_survives_rabbitmq.main(broker, queue)
    assert capsys.readouterr().out.endswith("received: ['order 1', 'order 3']\n")


def test_rabbitmq_restart_deletes_a_queue_that_is_not_durable(broker, queue, capsys):
    transient_vanishes_rabbitmq.main(broker, queue)
    assert capsys.readouterr().out.endswith(
        "durable queue: 1 order\ntransient queue: gone\n"
    )


def test_rabbitmq_takes_a_transient_queue_if_it_says_that_it_permits_it(broker, queue):
    asked = ("list_deprecated_features", "name", "state", "--formatter", "csv")
    listed = rabbitmqctl(broker.nodes[0], *asked).replace('"', "")
    answer = transient_vanishes_rabbitmq.declare(broker.address, queue, durable=False)
    permitted = f"{TRANSIENT_QUEUES},permitted" in listed
    assert answer == ("accepted" if permitted else "refused with 541")


def test_rabbitmq_that_denies_transient_queues_closes_the_connection(
    strict_broker, queue
):
    url = pika.URLParameters(strict_broker.address)
    channel = pika.BlockingConnection(url).channel()
    with pytest.raises(ConnectionClosedByBroker, match=TRANSIENT_QUEUES) as refusal:
        channel.queue_declare(queue)
    assert refusal.value.reply_code == 541


def test_rabbitmq_that_denies_transient_queues_takes_exclusive_ones(
    strict_broker, queue
):
    url = pika.URLParameters(strict_broker.address)
    with pika.BlockingConnection(url) as connection:
        connection.channel().queue_declare(queue, exclusive=True)
    with pika.BlockingConnection(url) as connection:
        assert not exists(connection.channel(), queue)


@pytest.fixture(scope="module")
def kept(broker):
    """What a restart leaves: messages of each queue by delivery mode, and exchanges."""
    url = pika.URLParameters(broker.address)
    with pika.BlockingConnection(url) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for kind in ("classic", "quorum"):
            declare(channel, kind, kind)
            for mode in (None, 1, 2):
                properties = BasicProperties(delivery_mode=mode)
                channel.basic_publish("", kind, str(mode).encode(), properties)
        for name, durable in (("lasting", True), ("passing", False)):
            channel.exchange_declare(name, "fanout", durable=durable)
            channel.queue_bind("quorum", name)
    broker.stop()
    broker.start()
    with pika.BlockingConnection(url) as connection:
        channel = connection.channel()
        left = {kind: take_all(channel, kind) for kind in ("classic", "quorum")}
        for name in ("lasting", "passing"):
            asking = connection.channel()
            asking.confirm_delivery()
            with contextlib.suppress(ChannelClosedByBroker):
                asking.basic_publish(name, "", name.encode())
        return {**left, "exchanges": take_all(channel, "quorum")}


def test_rabbitmq_message_without_a_delivery_mode_is_transient(kept):
    assert kept["classic"] == ["2"]


def test_rabbitmq_keeps_a_transient_exchange_and_its_bindings_over_a_restart(kept):
    assert kept["exchanges"] == ["lasting", "passing"]


def test_rabbitmq_quorum_queue_keeps_a_transient_message_over_a_restart(kept):
    assert kept["quorum"] == ["None", "1", "2"]


@pytest.mark.parametrize("mode", [None, 1, 2])
def test_rabbitmq_delivers_the_delivery_mode_that_was_published(channel, queue, mode):
    declare(channel, queue, "quorum")
    channel.basic_publish("", queue, b"", BasicProperties(delivery_mode=mode))
    assert channel.basic_get(queue, auto_ack=True)[1].delivery_mode == mode


@pytest.mark.parametrize(
    "properties",
    [
        {"durable": False},
        {"durable": True, "exclusive": True},
        {"durable": True, "auto_delete": True},
    ],
    ids=["transient", "exclusive", "auto-delete"],
)
def test_rabbitmq_quorum_queue_must_be_durable_and_lasting(channel, queue, properties):
    with pytest.raises(ChannelClosedByBroker, match=r"406.*invalid property"):
        channel.queue_declare(queue, arguments={"x-queue-type": "quorum"}, **properties)


def test_rabbitmq_killed_loses_persistent_messages_that_nobody_had_confirmed(
    broker, queue, capsys
):
    persistent_needs_confirms_rabbitmq.main(broker, queue)
    found = "found after the broker was killed and started"
    printed = capsys.readouterr().out
    assert printed.count("100 orders were in the queue") == 2
    assert f"with confirms: 100 orders were in the queue\n  {found}: 100" in printed
    assert printed.endswith(f"  {found}: 0\n")


def test_rabbitmq_idle_queue_has_written_what_was_not_confirmed(broker, queue):
    counted = persistent_needs_confirms_rabbitmq.send_orders(
        broker.address, queue, confirms=False
    )
    time.sleep(3)  # A classic queue writes what it has when it was idle for a second.
    broker.kill()
    broker.start()
    found = persistent_needs_confirms_rabbitmq.receive(broker.address, queue)
    assert len(found) == counted == 100


# Confirms: one by one, in windows, never.


def test_rabbitmq_confirm_of_each_names_the_refused_order(rabbitmq, queue, capsys):
    confirm_each_rabbitmq.main(rabbitmq, queue)
    assert capsys.readouterr().out == (
        "sent: 2000, confirmed: 1999, refused: ['order 2000']\nfound: 1999\n"
    )


def test_rabbitmq_window_names_the_refused_order_and_is_faster(rabbitmq, queue, capsys):
    confirm_window_rabbitmq.main(rabbitmq, queue)
    assert capsys.readouterr().out == (
        "window of 1: refused ['order 2000'], in doubt []\n"
        "  as many answers as orders: True\n"
        "window of 500: refused ['order 2000'], in doubt []\n"
        "  as many answers as orders: False\n"
        "the window of 500 is at least twice as fast as that of 1: True\n"
    )


def test_rabbitmq_without_confirms_hides_the_refusal(rabbitmq, queue, capsys):
    confirm_never_rabbitmq.main(rabbitmq, queue)
    assert capsys.readouterr().out == (
        "a confirm for each: sent 2000, refused as far as is known: ['order 2000']\n"
        "  found: 1999\n"
        "no confirms: sent 2000, refused as far as is known: []\n"
        "  found: 1999\n"
    )


def test_rabbitmq_window_costs_little_against_no_confirms(rabbitmq, queue):
    def seconds(send, how, number):
        """Return the time for 5,000 orders."""
        with pika.BlockingConnection(pika.URLParameters(rabbitmq)) as connection:
            declare(connection.channel(), f"{queue}-{how}-{number}")
        begin = time.monotonic()
        send(rabbitmq, f"{queue}-{how}-{number}", 5000, how)
        return time.monotonic() - begin

    window = confirm_window_rabbitmq.send_orders
    never = confirm_never_rabbitmq.send_orders
    # Whatever else runs now and then, one pair in ten has the computer for itself.
    assert any(
        seconds(window, 500, each) < 4 * seconds(never, False, each)
        for each in range(10)
    )


def test_rabbitmq_leaves_in_doubt_what_it_had_not_confirmed_when_it_died(broker, queue):
    with pika.BlockingConnection(pika.URLParameters(broker.address)) as connection:
        declare(connection.channel(), queue)
    with ThreadPoolExecutor() as pool:
        sending = pool.submit(
            confirm_window_rabbitmq.send_orders, broker.address, queue, 10**6, 500
        )
        with pika.BlockingConnection(pika.URLParameters(broker.address)) as connection:
            asking = connection.channel()
            assert until(lambda: depth(asking, queue) > 1000)
        broker.kill()
        refused, unanswered, _ = sending.result(30)
    broker.start()
    assert refused == []
    assert 0 < len(unanswered) <= 500


def test_rabbitmq_confirms_in_another_order_than_the_publishes(rabbitmq, queue):
    with pika.BlockingConnection(pika.URLParameters(rabbitmq)) as connection:
        declare(connection.channel(), queue, "quorum")

    def tags():
        """Publish to a quorum queue, then to nobody; return the tags as confirmed."""
        confirmed = []

        def on_answer(frame):
            confirmed.append(frame.method.delivery_tag)
            if 1 in confirmed:
                connection.close()

        def on_channel(channel):
            channel.confirm_delivery(on_answer)
            channel.basic_publish("", queue, b"order 1")
            channel.basic_publish("", f"{queue}-misspelt", b"order 2")

        connection = pika.SelectConnection(
            pika.URLParameters(rabbitmq),
            on_open_callback=lambda it: it.channel(on_open_callback=on_channel),
            on_close_callback=lambda it, _: it.ioloop.stop(),
        )
        connection.ioloop.call_later(10, connection.ioloop.stop)
        connection.ioloop.start()
        return confirmed

    assert until(lambda: tags() == [2, 1])


def test_kafka_acknowledgement_of_each_names_the_refused_order(kafka, topic):
    confirm_each_kafka.create(kafka, topic)
    refused = confirm_each_kafka.send_orders(kafka, topic, 20)
    assert (refused, confirm_each_kafka.count(kafka, topic)) == (["order 20"], 19)


def test_kafka_window_keeps_the_order_names_the_refused_and_is_faster(
    kafka, topic, capsys
):
    confirm_window_kafka.main(kafka, topic)
    assert capsys.readouterr().out == (
        "window of 1: sent 2000, refused ['order 2000']\n"
        "  the others are there in the order of the sends: True\n"
        "window of 500: sent 2000, refused ['order 2000']\n"
        "  the others are there in the order of the sends: True\n"
        "the window of 500 is at least twice as fast as that of 1: True\n"
    )


def test_kafka_without_acknowledgements_hides_the_refusal(kafka, topic, capsys):
    confirm_never_kafka.main(kafka, topic)
    assert capsys.readouterr().out == (
        "acks=all: sent 2000, refused as far as is known: ['order 2000']\n"
        "  found: 1999\n"
        "acks=0: sent 2000, refused as far as is known: []\n"
        "  found: 1999\n"
    )


def test_kafka_acknowledgements_cost_little_if_nobody_waits_for_each(kafka, topic):
    def seconds(acks, number):
        """Return the time for 3,000 orders."""
        confirm_never_kafka.create(kafka, f"{topic}-{acks}-{number}")
        begin = time.monotonic()
        confirm_never_kafka.send_orders(kafka, f"{topic}-{acks}-{number}", 3000, acks)
        return time.monotonic() - begin

    # Whatever else runs now and then, one pair in ten has the computer for itself.
    assert any(seconds("all", each) < 4 * seconds(0, each) for each in range(10))


# Transactions of AMQP 0-9-1.


def test_rabbitmq_transaction_shows_nothing_until_it_is_committed(rabbitmq, queue):
    with pika.BlockingConnection(pika.URLParameters(rabbitmq)) as connection:
        channel = connection.channel()
        channel.tx_select()
        declare(channel, queue)
        channel.basic_publish("", queue, b"order 1")
        channel.tx_rollback()
        channel.basic_publish("", queue, b"order 2")
        assert depth(channel, queue) == 0
        channel.tx_commit()
        assert take_all(channel, queue) == ["order 2"]


def test_rabbitmq_channel_has_confirms_or_transactions(channel):
    with pytest.raises(ChannelClosedByBroker, match=r"406.*from confirm to tx mode"):
        channel.tx_select()


# Length limits.


@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_rabbitmq_full_queue_dead_letters_its_oldest_and_confirms_the_new(
    rabbitmq, queue, kind
):
    program = length_limit_drops_rabbitmq
    program.declare(rabbitmq, queue, kind)
    assert program.send_orders(rabbitmq, queue, 5) == 5
    assert program.receive(rabbitmq, queue) == ["order 3", "order 4", "order 5"]
    dropped = ["order 1 maxlen", "order 2 maxlen"]
    assert program.receive(rabbitmq, f"{queue}-dropped") == dropped


def test_rabbitmq_full_queue_refuses_at_its_limit_or_one_above(rabbitmq, queue, capsys):
    length_limit_rejects_rabbitmq.main(rabbitmq, queue)
    assert capsys.readouterr().out == (
        "classic queue, limit 3: refused ['order 4', 'order 5', 'order 6']\n"
        "  left: ['order 1', 'order 2', 'order 3']\n"
        "quorum queue, limit 3: refused ['order 5', 'order 6']\n"
        "  left: ['order 1', 'order 2', 'order 3', 'order 4']\n"
    )


def test_rabbitmq_quorum_queue_may_take_many_above_its_limit_from_a_window(
    rabbitmq, channel, queue
):
    def above():
        """Send to an empty queue with a limit of 100; return how many more it took."""
        channel.queue_delete(queue)
        declare(channel, queue, "quorum", x_max_length=100, x_overflow="reject-publish")
        refused, _, _ = confirm_window_rabbitmq.send_orders(rabbitmq, queue, 1000, 500)
        return 1000 - len(refused) - 100

    assert until(lambda: 1 < above() <= 500, seconds=30)


def test_rabbitmq_quorum_queue_that_refused_must_lose_a_fifth_first(channel, queue):
    declare(channel, queue, "quorum", x_max_length=10, x_overflow="reject-publish")
    publish(channel, queue, 12)
    channel.basic_get(queue, auto_ack=True)
    channel.basic_get(queue, auto_ack=True)
    assert publish(channel, queue, 1) == [1]  # Nine are left.
    channel.basic_get(queue, auto_ack=True)
    assert until(lambda: publish(channel, queue, 1) == [])


def test_rabbitmq_limit_does_not_count_what_consumers_hold(channel, queue):
    declare(channel, queue, x_max_length=2, x_overflow="reject-publish")
    publish(channel, queue, 2)
    for _ in range(2):
        channel.basic_get(queue)  # Not acknowledged.
    assert publish(channel, queue, 3) == [3]


def test_rabbitmq_refuses_to_the_publisher_what_one_of_two_queues_refuses(
    channel, queue
):
    full, roomy = f"{queue}-full", f"{queue}-roomy"
    declare(channel, full, x_max_length=0, x_overflow="reject-publish")
    declare(channel, roomy)
    channel.exchange_declare(queue, "fanout", auto_delete=True)
    for each in (full, roomy):
        channel.queue_bind(each, queue)
    with pytest.raises(NackError):
        channel.basic_publish(queue, "", b"order 1")
    assert take_all(channel, roomy) == ["order 1"]


def test_rabbitmq_refuses_a_message_above_16_mib(broker, own_channel, queue):
    asked = "application:get_env(rabbit, max_message_size)."
    assert rabbitmqctl(broker.nodes[0], "eval", asked) == f"{{ok,{16 * MIB}}}\n"
    declare(own_channel, queue)
    with pytest.raises(ChannelClosedByBroker, match=r"406.*larger than configured max"):
        own_channel.basic_publish("", queue, bytes(16 * MIB + 1))


# Times to live.


@pytest.mark.parametrize(
    ("of_queue", "of_message"), [(1000, "60000"), (60_000, "1000")], ids=str
)
@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_rabbitmq_message_lives_for_the_shorter_of_two_times(
    channel, queue, kind, of_queue, of_message
):
    declare(channel, queue, kind, x_message_ttl=of_queue)
    channel.basic_publish("", queue, b"", BasicProperties(expiration=of_message))
    assert depth(channel, queue) == 1
    assert until(lambda: depth(channel, queue) == 0)


@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_rabbitmq_message_with_no_time_to_live_needs_a_waiting_consumer(
    channel, queue, kind
):
    declare(channel, queue, kind)
    at_once = BasicProperties(expiration="0")
    channel.basic_publish("", queue, b"order 1", at_once)
    assert until(lambda: depth(channel, queue) == 0)  # A clock's tick later.
    arrived = []
    channel.basic_consume(queue, lambda *it: arrived.append(it[3]), auto_ack=True)
    channel.basic_publish("", queue, b"order 2", at_once)
    assert until(lambda: channel.connection.sleep(0.05) or arrived, 10)
    assert arrived == [b"order 2"]


@pytest.mark.parametrize("expiration", ["1s", "-1", "1.5", ""])
def test_rabbitmq_refuses_a_time_to_live_that_is_no_whole_number(
    channel, queue, expiration
):
    declare(channel, queue)
    with pytest.raises(ChannelClosedByBroker, match=r"406.*invalid expiration"):
        channel.basic_publish("", queue, b"", BasicProperties(expiration=expiration))


def gone(channel, queue):
    """Publish to the queue, and return whether there is none any more."""
    try:  # Publishing is no use of the queue, and asking for it would be.
        channel.basic_publish("", queue, b"order 1", mandatory=True)
    except UnroutableError:
        return True
    except NackError:  # It was being deleted.
        return False
    return False


@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_rabbitmq_deletes_an_unused_queue_with_its_messages(channel, queue, kind):
    declare(channel, queue, kind, x_expires=500)
    assert not gone(channel, queue)
    # A quorum queue looks every five seconds.
    assert until(lambda: gone(channel, queue))


def test_rabbitmq_keeps_a_queue_that_has_a_consumer(channel, queue):
    declare(channel, queue, x_expires=500)
    channel.basic_consume(queue, lambda *_: None)
    channel.connection.process_data_events(2)
    assert exists(channel, queue)


# Arguments, and policies beside them.


def test_rabbitmq_queue_is_classic_unless_its_argument_says_otherwise(channel, queue):
    channel.queue_declare(queue, durable=True)
    declare(channel, queue, "classic")  # The same queue: nothing is refused.
    with pytest.raises(ChannelClosedByBroker, match=r"406.*inequivalent arg 'x-queue"):
        declare(channel, queue, "quorum")


@pytest.mark.parametrize(
    ("durable", "limit"), [(True, 4), (False, 3)], ids=["argument", "durable"]
)
def test_rabbitmq_refuses_to_declare_a_queue_again_in_another_way(
    channel, queue, durable, limit
):
    declare(channel, queue, x_max_length=3)
    other = {"x-queue-type": "classic", "x-max-length": limit}
    with pytest.raises(ChannelClosedByBroker, match=r"406.*inequivalent arg"):
        channel.queue_declare(queue, durable=durable, arguments=other)


@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_rabbitmq_takes_a_misspelt_argument_without_a_word(channel, queue, kind):
    declare(channel, queue, kind, x_max_lenght=1)
    publish(channel, queue, 3)
    assert until(lambda: depth(channel, queue) == 3)


@pytest.mark.parametrize(
    "argument", ["x_message_ttl", "x_expires", "x_max_length", "x_max_priority"]
)
def test_rabbitmq_stream_refuses_the_limits_of_queues(channel, queue, argument):
    with pytest.raises(ChannelClosedByBroker, match=r"406.*invalid arg"):
        declare(channel, queue, "stream", **{argument: 5})


def test_rabbitmq_classic_queue_with_priorities_gives_the_highest_first(channel, queue):
    declare(channel, queue, x_max_priority=5)
    for priority in (None, 5, 1, 9):  # None counts as 0, and 9 as 5.
        properties = BasicProperties(priority=priority)
        channel.basic_publish("", queue, str(priority).encode(), properties)
    assert take_all(channel, queue) == ["5", "9", "1", "None"]


@pytest.fixture
def policy(broker, queue):
    """A function that sets the policy for this test's queues, cleared at the end."""
    (node,) = broker.nodes
    used = set()

    def apply(definition, kind="policy"):
        rabbitmqctl(node, f"set_{kind}", queue, f"^{queue}", definition)
        used.add(kind)

    yield apply
    for kind in used:
        rabbitmqctl(node, f"clear_{kind}", queue)


def test_rabbitmq_policy_changes_a_queue_that_is_there(policy, own_channel, queue):
    declare(own_channel, queue)
    publish(own_channel, queue, 5)
    policy('{"max-length": 2}')
    assert until(lambda: depth(own_channel, queue) == 2)
    assert take_all(own_channel, queue) == ["4", "5"]


@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_rabbitmq_shorter_time_to_live_leaves_alone_what_waits(
    policy, own_channel, queue, kind
):
    policy('{"message-ttl": 600000}')
    for name in (queue, f"{queue}-new"):
        declare(own_channel, name, kind)
    publish(own_channel, queue, 2)
    policy('{"message-ttl": 100}')
    publish(own_channel, f"{queue}-new", 2)
    assert until(lambda: depth(own_channel, f"{queue}-new") == 0)
    assert depth(own_channel, queue) == 2


def test_rabbitmq_takes_the_lower_of_policy_and_argument(policy, own_channel, queue):
    policy('{"max-length": 3}')
    declare(own_channel, f"{queue}-2", x_max_length=2)
    declare(own_channel, f"{queue}-4", x_max_length=4)
    for limit in (2, 4):
        publish(own_channel, f"{queue}-{limit}", 6)
    assert [depth(own_channel, f"{queue}-{limit}") for limit in (2, 4)] == [2, 3]


SHORT_AND_LONG = [(2000, 600_000), (600_000, 2000)]


@pytest.mark.parametrize(("by_policy", "by_argument"), SHORT_AND_LONG)
@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_rabbitmq_message_lives_for_the_shorter_of_policy_and_argument(
    policy, own_channel, queue, kind, by_policy, by_argument
):
    policy(f'{{"message-ttl": {by_policy}}}')
    declare(own_channel, queue, kind, x_message_ttl=by_argument)
    publish(own_channel, queue, 1)
    assert depth(own_channel, queue) == 1
    assert until(lambda: depth(own_channel, queue) == 0)


@pytest.mark.parametrize(("by_policy", "by_argument"), SHORT_AND_LONG)
@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_rabbitmq_queue_expires_after_the_shorter_of_policy_and_argument(
    policy, own_channel, queue, kind, by_policy, by_argument
):
    policy(f'{{"expires": {by_policy}}}')
    declare(own_channel, queue, kind, x_expires=by_argument)
    assert not gone(own_channel, queue)
    assert until(lambda: gone(own_channel, queue))


@pytest.mark.parametrize(
    ("by_policy", "by_argument", "deliveries"),
    [(2, 5, 3), (5, 2, 3), (-1, 2, 3), (2, -1, 3), (-1, -1, 10)],
)
def test_rabbitmq_takes_the_lower_delivery_limit_and_none_if_both_say_so(
    policy, own_channel, queue, by_policy, by_argument, deliveries
):
    policy(f'{{"delivery-limit": {by_policy}}}')
    declare(own_channel, queue, "quorum", x_delivery_limit=by_argument)
    publish(own_channel, queue, 1)
    came = 0
    while came < 10 and (method := own_channel.basic_get(queue)[0]):
        came += 1
        own_channel.basic_reject(method.delivery_tag, requeue=True)
    assert came == deliveries


@pytest.mark.parametrize(
    ("by_policy", "by_argument", "left"), [(2, 100, 12), (100, 2, 45)]
)
def test_rabbitmq_stream_is_cut_at_the_size_of_its_policy_and_not_of_its_argument(
    policy, broker, queue, by_policy, by_argument, left
):
    policy(f'{{"max-length-bytes": {by_policy * MIB}}}')
    limits = {"x-max-length-bytes": by_argument * MIB}
    sizes = {"x-stream-max-segment-size-bytes": MIB, **limits}
    retention_removes_segments_rabbitmq.create(broker.address, queue, **sizes)
    retention_removes_segments_rabbitmq.send_orders(broker.address, queue, 45)
    found = retention_removes_segments_rabbitmq.left(broker.address, queue)
    assert len(found) == left


def test_rabbitmq_operator_policy_caps_a_policy(policy, own_channel, queue):
    declare(own_channel, queue)
    policy('{"max-length": 3}')
    policy('{"max-length": 1}', "operator_policy")
    publish(own_channel, queue, 5)
    assert until(lambda: depth(own_channel, queue) == 1)


def test_rabbitmq_policy_about_overflow_overrules_a_quorum_queues_argument_only(
    policy, own_channel, queue
):
    dropping = {"x_max_length": 2, "x_overflow": "drop-head"}
    for kind in ("classic", "quorum"):
        declare(own_channel, f"{queue}-{kind}", kind, **dropping)
    policy('{"overflow": "reject-publish"}')
    assert until(lambda: publish(own_channel, f"{queue}-quorum", 5) != [])
    assert publish(own_channel, f"{queue}-classic", 5) == []


@pytest.mark.parametrize(
    "definition", ['{"queue-type": "quorum"}', '{"max-priority": 5}']
)
def test_rabbitmq_policy_cannot_set_what_a_queue_is_made_with(policy, definition):
    with pytest.raises(BrokerError, match="not recognised policy settings"):
        policy(definition)


# Alarms: publishers wait, consumers go on.

ALARMS = {
    "memory": (
        ("set_vm_memory_high_watermark", "absolute", "1MB"),
        ("set_vm_memory_high_watermark", "absolute", "512MB"),
    ),
    "disk": (
        ("set_disk_free_limit", "1000000GB"),
        ("set_disk_free_limit", "50MB"),
    ),
}


@pytest.fixture(params=ALARMS)
def alarm(request, strict_broker):
    """Two functions: one raises an alarm on the node, the other clears it."""
    (node,) = strict_broker.nodes
    start, end = ALARMS[request.param]
    yield lambda: rabbitmqctl(node, *start), lambda: rabbitmqctl(node, *end)
    rabbitmqctl(node, *end)


def test_rabbitmq_alarm_blocks_publishers_and_not_consumers(
    strict_broker, alarm, queue
):
    raise_alarm, clear_alarm = alarm
    url = pika.URLParameters(strict_broker.address)
    events = []
    with (
        ThreadPoolExecutor() as pool,
        pika.BlockingConnection(url) as publishing,
        pika.BlockingConnection(url) as consuming,
    ):
        publishing.add_on_connection_blocked_callback(lambda *_: events.append("b"))
        publishing.add_on_connection_unblocked_callback(lambda *_: events.append("u"))
        publisher, consumer = publishing.channel(), consuming.channel()
        publisher.confirm_delivery()
        declare(publisher, queue)
        publish(publisher, queue, 2)
        raise_alarm()
        publishing.process_data_events(1)
        assert events == []  # It is told when it publishes again.
        sending = pool.submit(publish, publisher, queue, 1)
        assert take_all(consumer, queue) == ["1", "2"]
        time.sleep(1)
        assert (sending.done(), depth(consumer, queue)) == (False, 0)
        clear_alarm()
        assert sending.result(10) == []
        publishing.process_data_events(1)
        assert events == ["b", "u"]


def test_pika_gives_up_on_a_blocked_connection_if_told_to(strict_broker, alarm, queue):
    raise_alarm, _ = alarm
    url = f"{strict_broker.address}?blocked_connection_timeout=1"
    channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
    channel.confirm_delivery()
    declare(channel, queue)
    raise_alarm()
    with pytest.raises(ConnectionBlockedTimeout):
        publish(channel, queue, 1)

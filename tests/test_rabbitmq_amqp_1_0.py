"""The claims of chapter 4, RabbitMQ concepts, about AMQP 1.0, and its harness."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

import pika
import psutil
import pytest
from brokers import BrokerError
from brokers.amqp import run as run_java
from rabbitmq_concepts import amqp_1_0_rabbitmq
from waiting import until

ROOT = Path(__file__).parents[1]

# Sends orders to a queue until one is not accepted or the number is sent.
SEND = """
import com.rabbitmq.client.amqp.*;
import com.rabbitmq.client.amqp.impl.AmqpEnvironmentBuilder;
import java.util.concurrent.*;

class Send {
    public static void main(String[] arguments) throws Exception {
        String url = arguments[0], queue = arguments[1];
        int count = Integer.parseInt(arguments[2]);
        try (var environment = new AmqpEnvironmentBuilder().build();
                var connection = environment.connectionBuilder().uri(url).build();
                var publisher = connection.publisherBuilder().queue(queue).build()) {
            var status = Publisher.Status.ACCEPTED;
            for (int i = 1; i <= count && status == Publisher.Status.ACCEPTED; i++) {
                var outcome = new CompletableFuture<Publisher.Status>();
                var message = publisher.message("order".getBytes())
                    .messageId("m-" + i).property("customer", "ann");
                publisher.publish(message, to -> outcome.complete(to.status()));
                status = outcome.get(10, TimeUnit.SECONDS);
                System.out.println(status);
            }
        }
        System.exit(0);
    }
}
"""

# Prints the annotations of the next message of a queue, and discards it.
DISCARD = """
import com.rabbitmq.client.amqp.impl.AmqpEnvironmentBuilder;
import java.util.concurrent.*;

class Discard {
    public static void main(String[] arguments) throws Exception {
        String url = arguments[0], queue = arguments[1];
        var done = new CountDownLatch(1);
        try (var environment = new AmqpEnvironmentBuilder().build();
                var connection = environment.connectionBuilder().uri(url).build();
                var consumer = connection.consumerBuilder().queue(queue)
                    .messageHandler((context, message) -> {
                        message.forEachAnnotation((name, value) ->
                            System.out.println(name + "=" + value));
                        context.discard();
                        done.countDown();
                    }).build()) {
            if (!done.await(10, TimeUnit.SECONDS)) throw new TimeoutException();
        }
        System.exit(0);
    }
}
"""

# Sends a message without a header to addresses that RabbitMQ's client would not write,
# with the one that is inside of it, Apache Qpid's.
RAW = """
import com.rabbitmq.qpid.protonj2.client.*;
import java.util.concurrent.*;

class Raw {
    public static void main(String[] arguments) throws Exception {
        var options = new ConnectionOptions().user(arguments[2]).password(arguments[3])
            .virtualHost("vhost:" + arguments[4]);
        int port = Integer.parseInt(arguments[1]);
        for (int i = 5; i < arguments.length; i++) {
            try (var client = Client.create();
                    var connection = client.connect(arguments[0], port, options)) {
                var sender = connection.openSender(arguments[i]);
                sender.openFuture().get(10, TimeUnit.SECONDS);
                var sent = sender.send(Message.create("order".getBytes()));
                sent.awaitSettlement(10, TimeUnit.SECONDS);
                System.out.println(sent.remoteState().getType());
            } catch (ExecutionException error) {
                System.out.println(error.getCause().getMessage());
            }
        }
        System.exit(0);
    }
}
"""


@pytest.fixture
def java(amqp, tmp_path):
    """What runs a program that stands here: `java(name, text, *arguments)`."""

    def run(name, text, *arguments):
        source = tmp_path / f"{name}.java"
        source.write_text(text)
        return amqp(source, *arguments).splitlines()

    return run


@pytest.fixture
def send(java, rabbitmq):
    """Send orders by AMQP 1.0 and return their outcomes: `send(queue, count)`."""
    return lambda *to: java("send", SEND, rabbitmq.removesuffix("/"), *map(str, to))


@pytest.fixture
def discard(java, rabbitmq):
    """Discard a queue's next message; return its annotations: `discard(queue)`."""
    return partial(java, "discard", DISCARD, rabbitmq.removesuffix("/"))


@pytest.fixture
def raw(java, rabbitmq):
    """Send to addresses as they are; return outcomes or errors: `raw(*addresses)`."""
    to = pika.URLParameters(rabbitmq)
    user = to.credentials
    place = [to.host, str(to.port), user.username, user.password, to.virtual_host]
    return partial(java, "raw", RAW, *place)


def declare(channel, queue, **arguments):
    channel.queue_declare(
        queue, durable=True, arguments={"x-queue-type": "quorum", **arguments}
    )


def test_amqp_1_0_settles_each_message_with_an_outcome(rabbitmq, amqp, queue, capsys):
    amqp_1_0_rabbitmq.main(rabbitmq, amqp, queue)
    assert capsys.readouterr().out == (
        "order 1: text/plain, customer ann\n"
        "released, failed so far: 0\n"
        "modified, failed so far: 1, no stock\n"
        "order 2, to the queue: ACCEPTED\n"
        "order 3, to nobody: RELEASED\n"
        "received: order 2\n"
    )


def test_amqp_1_0_rejects_what_a_full_queue_does_not_take(channel, send, queue):
    declare(channel, queue, **{"x-max-length": 1, "x-overflow": "reject-publish"})
    outcomes = send(queue, 100)  # A few more than its limit may be taken.
    assert {*outcomes[:-1]} == {"ACCEPTED"}
    assert outcomes[-1] == "REJECTED"


def test_amqp_1_0_message_is_read_by_0_9_1_with_its_properties(channel, send, queue):
    declare(channel, queue)
    send(queue, 1)
    _, about, body = channel.basic_get(queue, auto_ack=True)
    got = (body, about.message_id, about.headers["customer"], about.delivery_mode)
    assert got == (b"order", "m-1", "ann", 2)


def test_amqp_1_0_names_the_exchange_and_the_routing_key_in_annotations(
    channel, discard, queue
):
    declare(channel, queue)
    channel.queue_bind(queue, "amq.direct", queue)
    channel.basic_publish("amq.direct", queue, b"order 1")
    expected = {"x-exchange=amq.direct", f"x-routing-key={queue}"}
    assert expected <= {*discard(queue)}


def test_amqp_1_0_message_that_is_rejected_is_dead_lettered(channel, discard, queue):
    dead = f"{queue}-dead"
    declare(channel, dead)
    to_dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
    declare(channel, queue, **to_dead)
    channel.basic_publish("", queue, b"order 1")
    discard(queue)
    found = []
    assert until(lambda: found.append(channel.basic_get(dead)) or found[-1][0], 10)
    assert found[-1][1].headers["x-first-death-reason"] == "rejected"


def test_amqp_1_0_addresses_of_rabbitmq_3_are_refused(channel, raw, queue):
    declare(channel, queue)
    said = raw(f"/queue/{queue}", f"/exchange/amq.direct/{queue}", queue)
    assert "\n".join(said).count("amqp_address_v1_not_permitted") == 3, said


def test_amqp_1_0_detaches_a_sender_to_what_is_not_there(raw, queue):
    said = raw(f"/queues/{queue}", f"/exchanges/{queue}/order")
    assert "\n".join(said).count("amqp:not-found") == 2, said


def test_amqp_1_0_message_that_does_not_say_durable_is_transient(channel, raw, queue):
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "classic"})
    assert raw(f"/queues/{queue}") == ["ACCEPTED"]
    _, about, _ = channel.basic_get(queue, auto_ack=True)
    assert about.delivery_mode != 2


# The harness.

HANG = """
class Hang {
    public static void main(String[] arguments) throws Exception {
        System.out.println("I am here.");
        Thread.sleep(600000);
    }
}
"""


def running(name, process):
    """Return the processes below `process` that run the Java class `name`."""
    found = []
    for each in process.children(recursive=True):
        with suppress(psutil.Error):  # It has just ended.
            if each.cmdline()[-1:] == [name]:
                found.append(each)
    return found


def test_program_that_does_not_compile_ends_in_the_compilers_words(java):
    expected = r"(?s)^wrong.java does not compile:.*none cannot be resolved"
    with pytest.raises(BrokerError, match=expected):
        java("wrong", "class Wrong { int count = none; }")


def test_program_that_fails_ends_in_its_last_words(java):
    main = "public static void main(String[] all) { Integer.parseInt(all[0]); }"
    expected = r'(?s)^fail.java failed\. It wrote:\n.*For input string: "ten"$'
    with pytest.raises(BrokerError, match=expected):
        java("fail", f"class Fail {{ {main} }}", "ten")


def test_program_that_hangs_is_ended_at_the_deadline(tmp_path):
    source = tmp_path / "hang.java"
    source.write_text(HANG)
    expected = r"(?s)I am here\.\nIt did not end within 2 seconds and was stopped\.$"
    with pytest.raises(BrokerError, match=expected):
        run_java(tmp_path, source, deadline=2)
    assert not running("Hang", psutil.Process())


def test_program_ends_with_ctrl_c_and_leaves_nothing(tmp_path):
    source, temporary = tmp_path / "hang.java", tmp_path / "tmp"
    source.write_text(HANG)
    temporary.mkdir()
    program = """if True:
        import pathlib, signal, sys
        from brokers.amqp import amqp
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with amqp("") as run:
            run(pathlib.Path(sys.argv[1]))
    """
    environment = {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": "examples"}
    command = [sys.executable, "-c", program, str(source)]
    options = {"stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, env=environment, **options) as run:
        ours = psutil.Process(run.pid)
        # Two, the leash and what is on it.
        assert until(lambda: len(running("Hang", ours)) == 2, 30)
        processes = running("Hang", ours)
        run.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in run.communicate(timeout=30)[1]
    assert not any(each.is_running() for each in processes)
    assert not list(temporary.iterdir())

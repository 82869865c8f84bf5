"""One thing at a time is changed in how messages are sent or read, and the rate taken.

Each client is a process of its own, so that its processor time and memory are its own.
The brokers' own tools are measured between the others, as the limit.
"""

import json
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from functools import cache, partial
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from tempfile import TemporaryDirectory
from uuid import uuid4

import pika
import psutil
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from labs.checker import Outcome
from labs.kafka_topics import new_topic
from labs.throughput_clients import INTERVAL, orders

BROKERS = {"kafka": 3, "rabbitmq": 3}
CLIENTS = ("confluent-kafka", "kafka-python", "pika")
TOOLS = ("kafka_tools", "perf_test")
PROGRAM = Path(__file__).with_name("throughput_clients.py")
DEADLINE = 120  # Seconds that a measurement may take on a computer that is busy.
KIB = 1024
PRODUCER = "org.apache.kafka.tools.ProducerPerformance"
CONSUMER = "org.apache.kafka.tools.ConsumerPerformance"
PERF_TEST = "com.rabbitmq.perf.PerfTest"
# The first second of a client is left out, and the first three of Java, which compiles
# what is run often. Whether that is enough shows in the two halves of what follows.
WARM, WARM_JAVA, MEASURED = 2, 6, 4  # Lines, each of INTERVAL seconds.
# What the Java client does by default, for all of Kafka's clients.
SAFE = {"acks": "all", "enable.idempotence": True}
USUAL = {"batch.size": 16384, "linger.ms": 5, "queue.buffering.max.kbytes": 32768}
SOON = {"file.delete.delay.ms": "0"}  # What is deleted leaves the disk at once.
READ = 400_000  # Records for the readers of Kafka, who read them again and again.
WAITING = 80_000  # Messages that wait for a reader of RabbitMQ.

# What is not said is: librdkafka, records of 1 KiB, one partition with three replicas.
KAFKA_SENDS = {
    "base": {},
    "one by one": {"alone": True},
    "no batches": {"batch.num.messages": 1},
    "batches to 256 KiB": {"batch.size": 256 * KIB},
    "linger 0 ms": {"linger.ms": 0},
    "linger 50 ms": {"linger.ms": 50},
    "lz4": {"compression.type": "lz4"},
    "zstd": {"compression.type": "zstd"},
    "gzip": {"compression.type": "gzip"},
    "acks=1": {"acks": 1, "enable.idempotence": False},
    "acks=0": {"acks": 0, "enable.idempotence": False},
    "1 replica": {"replicas": 1},
    "4 partitions": {"partitions": 4},
    "100 bytes": {"size": 100},
    "10 KiB": {"size": 10 * KIB},
    "2 producers": {"clients": 2},
    "kafka-python": {"client": "kafka-python"},
    "Java's tool": {"client": "java"},
}
# A topic of two partitions with one replica, read by librdkafka.
KAFKA_READS = {
    "base": {},
    "2 consumers": {"clients": 2},
    "commit each": {"commit": True},
    "kafka-python": {"client": "kafka-python"},
    "Java's tool": {"client": "java"},
}
# pika, persistent messages of 1 KiB, a quorum queue of three, 100 unconfirmed.
RABBITMQ_SENDS = {
    "base": {},
    "one by one": {"window": 1},
    "10 unconfirmed": {"window": 10},
    "1000 unconfirmed": {"window": 1000},
    "no confirms": {"window": 0},
    "classic queue": {"kind": "classic"},
    "stream": {"kind": "stream"},
    "100 bytes": {"size": 100},
    "10 KiB": {"size": 10 * KIB},
    "2 publishers": {"clients": 2},
    "2 publishers, 2 queues": {"clients": 2, "queues": 2},
    "PerfTest": {"client": "java"},
}
# pika, prefetch 100, each message is acknowledged by itself.
RABBITMQ_READS = {
    "base": {},
    "prefetch 1": {"prefetch": 1},
    "prefetch 10": {"prefetch": 10},
    "prefetch 1000": {"prefetch": 1000},
    "acknowledged by sending": {"auto_ack": True},
    "2 consumers": {"clients": 2},
    "classic queue": {"kind": "classic"},
    "stream": {"kind": "stream"},
    "PerfTest": {"client": "java"},
}


def process(function, **arguments):
    """Return the command that runs a function of throughput_clients.py."""
    return [sys.executable, str(PROGRAM), function, json.dumps(arguments)]


def own_line(line):
    """Return the messages that a line of our own clients counts, and the seconds."""
    count, seconds = line.split()
    return int(count), float(seconds)


def producer_line(line):
    """Return that of a line of ProducerPerformance."""
    if " records sent, " not in line:
        return None
    count, rate = line.split(" records sent, ")
    return int(count), int(count) / float(rate.split()[0])


def consumer_line(line):
    """Return that of a line of ConsumerPerformance, of a tenth of a second."""
    fields = line.split(",")
    if len(fields) < 6 or not fields[0][:4].isdigit():
        return None
    return round(float(fields[5]) / 10), 0.1


def perf_test_line(line, column):
    """Return that of a line of PerfTest, of a second; `column` is of a number."""
    fields = line.replace("msg/s", "").split()
    if not fields or not fields[0].removesuffix("s").replace(".", "").isdigit():
        return None
    return int(fields[column]), 1


def family(pids):
    """Return the processes and all that they have started."""
    parents = [psutil.Process(pid) for pid in pids]
    return [*parents, *(child for each in parents for child in each.children(True))]


def spent(processes):
    """Return the seconds of processor time that the processes have taken."""
    return sum(sum(each.cpu_times()[:2]) for each in processes)


def resident(processes):
    """Return the bytes of memory of those processes that have not ended."""
    ended = psutil.STATUS_ZOMBIE
    return sum(p.memory_info().rss for p in processes if p.status() != ended)


def lines_of(client, parse, count):
    """Return what so many lines of a client say, from the first with messages on.

    A reader that has read all says nothing more, or ten times that it did nothing.
    """
    found = []
    for line in client.stdout:
        said = parse(line)
        if said and (said[0] or found):
            found.append(said)
        if len(found) == count or (found and not any(n for n, _ in found[-10:])):
            break
    while found and not found[-1][0]:
        found.pop()
    return found


def measure(commands, parse, nodes, warm=WARM, measured=MEASURED):
    """Run the clients, let them become warm, and return what is then measured."""
    with ExitStack() as stack:
        clients = []
        for command in commands:
            client = stack.enter_context(
                Popen(command, stdout=PIPE, stderr=DEVNULL, text=True)
            )
            stack.callback(client.kill)
            watch = threading.Timer(DEADLINE, client.kill)
            watch.start()
            stack.callback(watch.cancel)
            clients.append(client)
        for client in clients:
            if not lines_of(client, parse, warm):
                raise RuntimeError(f"A client did not get going: {client.args[-8:]}")
        brokers, own = (
            family(node.pid for node in nodes),
            family(c.pid for c in clients),
        )
        before, begin = [spent(each) for each in (brokers, own)], time.monotonic()
        memory = [resident(each) for each in (brokers, own)]
        found = [lines_of(client, parse, measured) for client in clients]
        taken = time.monotonic() - begin
        after = [spent(each) for each in (brokers, own)]
        memory = list(map(max, memory, [resident(each) for each in (brokers, own)]))
        if not all(found):
            raise RuntimeError(f"A client stopped early: {clients[0].args[-8:]}")
    rate = sum(sum(n for n, _ in each) / sum(s for _, s in each) for each in found)
    half = len(found[0]) // 2
    early, late = (
        sum(n for each in found for n, _ in each[part])
        / sum(s for each in found for _, s in each[part])
        for part in (slice(half or 1), slice(half, None))
    )
    shares = [
        round(100 * (to - of) / taken) for of, to in zip(before, after, strict=True)
    ]
    return {
        "messages a second": round(rate),
        "brokers' processor, %": shares[0],
        "clients' processor, %": shares[1],
        "brokers' memory, MB": round(memory[0] / 1e6),
        "clients' memory, MB": round(memory[1] / 1e6),
        "second half of the first, %": round(100 * late / early),
    }


def stored(servers, topic):
    """Return how many bytes a replica has stored for a record of a topic."""
    with KafkaAdminClient(bootstrap_servers=servers) as admin:
        folders = [each["log_dirs"][0] for each in admin.describe_log_dirs([topic])]
    sizes = {
        TopicPartition(topic, part["partition_index"]): part["partition_size"]
        for folder in folders
        for kept in folder["topics"]
        for part in kept["partitions"]
    }
    with KafkaConsumer(bootstrap_servers=servers) as consumer:
        records = sum(consumer.end_offsets(list(sizes)).values())
    return round(sum(sizes.values()) / records)


def finish(command):
    """Run a client to its end."""
    subprocess.run(command, check=True, stdout=DEVNULL, timeout=DEADLINE)


@cache
def topic_to_read(servers):
    """Return the name of a topic with READ records, written once for all readers."""
    topic = new_topic(servers, 1, 2, SOON)
    fast = {"batch.size": 512 * KIB, "linger.ms": 50, "acks": 1}
    fill = {"topic": topic, "size": KIB, "stop": READ, **fast}
    finish(process("librdkafka_sends", servers=servers, **fill))
    return topic


def kafka_sends(cluster, tools, client="librdkafka", clients=1, **changes):
    """Send to Kafka with what a variant changes; return what was measured."""
    servers, size = cluster.address, changes.pop("size", KIB)
    replicas, partitions = changes.pop("replicas", 3), changes.pop("partitions", 1)
    topic = new_topic(servers, replicas, partitions, SOON)
    place = {"servers": servers, "topic": topic, "size": size}
    warm, parse = WARM, own_line
    with TemporaryDirectory() as folder:
        if client == "java":
            payload = Path(folder, "orders")
            payload.write_bytes(b"\n".join(orders(size)))
            command = [*tools("kafka_tools"), PRODUCER, "--bootstrap-server", servers]
            command += ["--topic", topic, "--payload-file", str(payload)]
            command += ["--num-records", "1000000000", "--throughput", "-1"]
            command += ["--reporting-interval", str(round(1000 * INTERVAL))]
            command += ["--command-property", "acks=all", "batch.size=16384"]
            command += ["linger.ms=5", "enable.idempotence=true"]
            warm, parse = WARM_JAVA, producer_line
        elif client == "kafka-python":
            usual = {"acks": "all", "batch_size": 16384, "linger_ms": 5}
            command = process("kafka_python_sends", **place, **usual)
        else:
            command = process("librdkafka_sends", **place, **SAFE | USUAL | changes)
        result = measure([command] * clients, parse, cluster.nodes, warm)
    result["bytes stored for each"] = stored(servers, topic)
    with KafkaAdminClient(bootstrap_servers=servers) as admin:
        admin.delete_topics([topic])
    return result


def kafka_reads(cluster, tools, client="librdkafka", clients=1, **changes):
    """Read from Kafka with what a variant changes; return what was measured."""
    servers, group = cluster.address, f"readers-{uuid4().hex[:8]}"
    topic = topic_to_read(servers)
    if client == "java":
        command = [*tools("kafka_tools"), CONSUMER, "--bootstrap-server", servers]
        command += ["--topic", topic, "--group", group, "--num-records", "1000000000"]
        command += ["--reporting-interval", "100", "--show-detailed-stats"]
        command += ["--timeout", "20000"]
        return measure([command], consumer_line, cluster.nodes, 5, 10)
    place = {"servers": servers, "topic": topic, "group": group, **changes}
    command = process(f"{client.replace('-', '_')}_reads", **place)
    return measure([command] * clients, own_line, cluster.nodes)


def create_queues(url, kind, count):
    """Return the names of new queues, and close the door behind."""
    names = [f"orders-{uuid4().hex[:8]}" for _ in range(count)]
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        for name in names:
            how = {"x-queue-type": kind}
            connection.channel().queue_declare(name, durable=True, arguments=how)
    return names


def delete_queues(url, names):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        for name in names:
            connection.channel().queue_delete(name)


def rabbitmq_sends(
    cluster,
    tools,
    client="pika",
    clients=1,
    window=100,
    size=KIB,
    kind="quorum",
    queues=1,
):
    """Send to RabbitMQ with what a variant changes; return what was measured."""
    url = cluster.nodes[0].address
    names = create_queues(url, kind, queues)
    warm, measured, parse = WARM, MEASURED, own_line
    if client == "java":
        command = [*tools("perf_test"), PERF_TEST, "--uri", url.rstrip("/")]
        command += ["--predeclared", "--queue", names[0], "--consumers", "0"]
        command += ["--confirm", str(window), "--size", str(size), "--flag"]
        commands = [[*command, "persistent", "-i", "1", "-mf", "compact"]]
        warm, measured, parse = 3, 2, partial(perf_test_line, column=2)
    else:
        place = {"url": url, "size": size}
        how = (
            ("pika_sends", {"window": window}) if window else ("pika_sends_blindly", {})
        )
        commands = [
            process(how[0], queue=names[each % queues], **place, **how[1])
            for each in range(clients)
        ]
    result = measure(commands, parse, cluster.nodes, warm, measured)
    delete_queues(url, names)
    return result


def rabbitmq_reads(
    cluster,
    tools,
    client="pika",
    clients=1,
    kind="quorum",
    prefetch=100,
    auto_ack=False,
):
    """Read from RabbitMQ with what a variant changes; return what was measured."""
    url = cluster.nodes[0].address
    (name,) = create_queues(url, kind, 1)
    many = {1: 10_000, 10: 30_000}.get(prefetch, WAITING)
    if client == "java" or auto_ack:
        many *= 2
    fill = {"size": KIB, "window": 1000, "stop": many}
    finish(process("pika_sends", url=url, queue=name, **fill))
    if client == "java":
        command = [*tools("perf_test"), PERF_TEST, "--uri", url.rstrip("/")]
        command += ["--predeclared", "--queue", name, "--producers", "0"]
        command += ["--qos", str(prefetch), "-i", "1", "-mf", "compact"]
        parse = partial(perf_test_line, column=1)
        result = measure([command], parse, cluster.nodes, 1, 2)
    else:
        how = {"prefetch": prefetch, "auto_ack": auto_ack, "stream": kind == "stream"}
        command = process("pika_reads", url=url, queue=name, **how)
        result = measure([command] * clients, own_line, cluster.nodes)
    delete_queues(url, [name])
    return result


GROUPS = {
    "Kafka sends": ("kafka", kafka_sends, KAFKA_SENDS),
    "Kafka reads": ("kafka", kafka_reads, KAFKA_READS),
    "RabbitMQ sends": ("rabbitmq", rabbitmq_sends, RABBITMQ_SENDS),
    "RabbitMQ reads": ("rabbitmq", rabbitmq_reads, RABBITMQ_READS),
}
VARIANTS = tuple(
    f"{group}: {name}" for group, (_, _, changes) in GROUPS.items() for name in changes
)


def run(brokers, variant, note, tools):
    """Run one variant; `tools` returns the Java command of a tool."""
    group, name = variant.split(": ")
    broker, action, changes = GROUPS[group]
    result = action(brokers[broker], tools, **changes[name])
    note("it is measured")
    return Outcome(counts=result)

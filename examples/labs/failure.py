"""Six failures of a cluster under load, on both brokers, with safe and unsafe settings.

What safe and unsafe are is said in `kafka_load` and `rabbitmq_load`. Orders are sent
steadily before, during and after the failure, and a consumer works all the time. It
goes on until nothing is left, when the cluster is whole again.

In a follower's stead a node is paused that has a copy of the orders or, of a classic
queue, none. The controller is Kafka's active controller, and in RabbitMQ the node that
leads the metadata store; neither leads the orders. In the minority partition the node
that leads the orders is left alone with the producer, and the consumer begins at the
majority. The consumer is killed in the middle of a batch.
"""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from multiprocessing import get_context
from threading import Event
from uuid import uuid4

from brokers import tools
from kafka import KafkaAdminClient
from kafka.errors import KafkaError
from kafka_architecture.kraft_quorum_kafka import wait_for_voters
from labs import kafka_load, rabbitmq_load
from labs.checker import Outcome, account
from labs.kafka_cables import lay_cables
from labs.kafka_topics import wait_for_replicas
from labs.minority_partition import cut_off, evaluate, heal

BROKERS = {"kafka": 3, "rabbitmq": 3}
CLIENTS = ("kafka-python", "pika")
FAILURES = (
    "leader killed",
    "follower paused",
    "controller killed",
    "minority partition",
    "consumer killed",
    "rolling restart",
)
VARIANTS = tuple(
    f"{failure}: {broker}, {setting}"
    for failure in FAILURES
    for broker in ("Kafka", "RabbitMQ")
    for setting in ("safe", "unsafe")
)
LOADS = {"Kafka": kafka_load, "RabbitMQ": rabbitmq_load}
PAUSE, BATCH = 0.01, 10  # Seconds between two orders, and orders of a batch.
OUTAGE = 4  # Seconds, of which Kafka needs 3 to notice that a node is gone.
CALM = 100  # Orders that are done before the failure.
CABLES = {}  # Those of each Kafka cluster that has some.


def controller(broker, cluster):
    """Return the node that decides about the cluster."""
    if broker == "Kafka":
        return cluster.nodes[wait_for_voters(cluster.address, 3)[0] - 1]
    leader = evaluate(
        cluster.nodes[0], "element(2, ra_leaderboard:lookup_leader(rabbitmq_metadata))."
    )
    return next(node for node in cluster.nodes if f"{node.name}@" in leader)


def wait_until_whole(broker, cluster, topic):
    """Wait until each of the three nodes has all orders, for at most a minute.

    RabbitMQ's own tool waits until no node is needed for a majority.
    """
    if broker == "Kafka":
        wait_for_replicas(cluster.address, topic)
        wait_for_voters(cluster.address, 3)
        return
    wait = "await_online_quorum_plus_one", "-t", "50"
    tools.run(cluster.nodes[0], "rabbitmq-upgrade", *wait).check_returncode()


def work(batches, arguments, safe, dies, line):
    """Do every order, and tell `line` each that is done, and None when none is left.

    If it `dies`, one order takes long, so that others wait, and this process is killed
    when it has done the first of the next batch.
    """
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C is for the run, which ends it.
    done = 0
    for batch, acknowledge in batches(*arguments, safe, BATCH):
        if not safe:
            acknowledge()
        for number in batch:
            line.send(number)
            done += 1
            if dies and done == CALM:
                time.sleep(0.5)  # The work that takes long.
            if dies and done > CALM and number == batch[0] != batch[-1]:
                os.kill(os.getpid(), signal.SIGKILL)
        if safe:
            acknowledge()
        if not batch:
            line.send(None)


def consume(load, arguments, safe, dies, delivered, over):
    """Run a consumer, and another when it was killed, until all is done after `over`.

    The list `delivered` gets each number that was done, and when.
    """
    context = get_context("spawn")
    while True:
        here, there = context.Pipe(duplex=False)
        process = context.Process(
            target=work, args=(load.batches, arguments, safe, dies, there), daemon=True
        )
        process.start()
        there.close()
        idle = 0
        try:
            while idle < 2:  # The first may have been on its way.
                if not here.poll(60):
                    raise TimeoutError("The consumer gets nothing and finds no end.")
                number = here.recv()
                if number is not None:
                    delivered.append((number, time.monotonic()))
                idle = idle + 1 if number is None and over.is_set() else 0
            return
        except EOFError:
            process.join(10)
            if not dies or process.exitcode != -signal.SIGKILL:
                raise RuntimeError("The consumer has ended by itself.") from None
            dies = False
        finally:
            process.kill()
            process.join(10)


def wait_for(what, least):
    """Wait until there are `least` of them."""
    deadline = time.monotonic() + 60
    while len(what) < least:
        if time.monotonic() > deadline:
            raise TimeoutError("The orders do not flow.")
        time.sleep(0.01)


def kill(node, note):
    """Kill a node, and start it again after a while."""
    node.kill()
    note("the node is killed")
    time.sleep(OUTAGE)  # How long nobody starts it.
    node.start()
    note("it was started again")


def pause(node, note):
    """Freeze a node for a while, as a long pause of its machine does."""
    node.pause()
    try:
        note("the node is frozen")
        time.sleep(OUTAGE)  # How long it lasts.
    finally:
        node.resume()
    note("it goes on")


def partition(broker, cluster, topic, node, note):
    """Cut a node off from the two others for a while; clients reach all three."""
    if broker == "Kafka":
        cables = CABLES[cluster.address]
        cut, mend = cables.cut, lambda _: cables.mend()
    else:
        cut, mend = cut_off, heal
    try:
        cut(node)
        note("the node is cut off")
        if broker == "Kafka":
            wait_for_another_leader(cluster.nodes, topic, node)
            note("the others have another leader")
        time.sleep(OUTAGE)  # How long it lasts.
    finally:
        mend(node)
    note("the nodes are together again")


def wait_for_another_leader(nodes, topic, former):
    """Wait until Kafka's nodes that are not the former leader have another."""
    other = next(node for node in nodes if node is not former)
    deadline = time.monotonic() + 30
    while leader(other.address, topic) in (None, nodes.index(former) + 1):
        if time.monotonic() > deadline:
            raise TimeoutError("Nobody else leads within 30 seconds.")
        time.sleep(0.1)


def leader(server, topic):
    """Return the number of the node that leads the topic, or None if nobody says."""
    limits = {"request_timeout_ms": 2000, "bootstrap_timeout_ms": 5000}
    try:
        with KafkaAdminClient(bootstrap_servers=server, **limits) as admin:
            return admin.describe_topics([topic])[0]["partitions"][0]["leader_id"]
    except KafkaError:
        return None  # It may have asked the node that is cut off.


def restart(broker, cluster, topic, note):
    """Restart the nodes, each when it is not needed."""
    for number, node in enumerate(cluster.nodes, 1):
        wait_until_whole(broker, cluster, topic)
        node.stop()
        node.start()
        note(f"node {number} was stopped and started")


def fail(failure, broker, cluster, topic, node, note):
    """Make the failure happen to the node, and undo it."""
    if failure in ("leader killed", "controller killed"):
        kill(node, note)
    elif failure == "follower paused":
        pause(node, note)
    elif failure == "minority partition":
        partition(broker, cluster, topic, node, note)
    elif failure == "rolling restart":
        restart(broker, cluster, topic, note)


def longest_gap(times):
    """Return the longest time between two events."""
    return max(after - before for before, after in pairwise(sorted(times)))


def run(brokers, variant, note):
    """Run one variant; the cluster is whole when it returns."""
    failure, _, setting = variant.partition(": ")
    broker, safe = setting.split(", ")[0], setting.endswith(", safe")
    cluster, load = brokers[broker.lower()], LOADS[broker]
    topic = f"orders-{uuid4().hex[:8]}"
    cuts = (failure, broker) == ("minority partition", "Kafka")
    if cuts and cluster.address not in CABLES:
        CABLES[cluster.address] = lay_cables(cluster)
    nodes = list(cluster.nodes)
    if failure == "controller killed":
        decides = controller(broker, cluster)
        nodes.sort(key=lambda node: node is decides)
    victim = (
        nodes[-1] if failure in ("controller killed", "follower paused") else nodes[0]
    )
    load.create(nodes, topic, safe)
    addresses = load.addresses(nodes)
    begin = (
        addresses[1:] + addresses[:1] if failure == "minority partition" else addresses
    )
    sent, confirmed, delivered = [], {}, []
    going, over = Event(), Event()
    going.set()
    with ThreadPoolExecutor(2) as threads:
        dies = failure == "consumer killed"
        consuming = threads.submit(
            consume, load, (begin, topic), safe, dies, delivered, over
        )
        producing = threads.submit(
            load.produce, addresses, topic, safe, PAUSE, sent, confirmed, going
        )
        try:
            wait_for(delivered, CALM)
            note(f"{CALM} orders are done")
            fail(failure, broker, cluster, topic, victim, note)
            wait_for(sent, len(sent) + CALM)
            if dies:
                wait_for(delivered, 2 * CALM)
                note("the consumer was killed, and the next one works")
            wait_until_whole(broker, cluster, topic)
            note("all nodes have everything")
        finally:
            going.clear()
            try:
                producing.result(timeout=160)
            finally:
                over.set()
        note(f"{len(sent)} were sent, {len(confirmed)} confirmed")
        consuming.result(timeout=120)
    note(f"nothing is left, {len(delivered)} were done")
    return Outcome(
        account(sent, confirmed, [number for number, _ in delivered]),
        seconds={
            "longest gap, confirms": longest_gap(confirmed.values()),
            "longest gap, deliveries": longest_gap(at for _, at in delivered),
        },
    )

"""Chapter `production`: what brokers tell of themselves, and which of it wakes whom."""

import json
import re
import shutil
import time
from base64 import b64encode
from collections import Counter
from pathlib import Path
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

import pika
import psutil
import pytest
import yaml
from brokers import kafka as start_kafka
from brokers import rabbitmq as start_rabbitmq
from brokers.process import HOST, Node, free_ports
from brokers.programs import SERVICES, find
from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec
from listening import listeners
from production import (
    consumer_lag_kafka,
    consumer_lag_rabbitmq,
    lag_alert_kafka,
    lag_alert_rabbitmq,
    metrics_endpoint_kafka,
    metrics_endpoint_rabbitmq,
    queue_depth_and_unacked_rabbitmq,
    under_replicated_kafka,
)
from waiting import until

FILES = Path(__file__).parents[1] / "book" / "production"
# Words of PromQL and labels: what else is in an expression is a metric's name. `up` is
# Prometheus's own.
WORDS = {
    "sum",
    "max",
    "rate",
    "increase",
    "predict_linear",
    "by",
    "on",
    "and",
    "or",
    "unless",
    "topic",
    "vhost",
    "queue",
    "instance",
    "job",
    "up",
}

# Takes one message from a queue over AMQP 1.0, and accepts it.
ACCEPT = """
import com.rabbitmq.client.amqp.impl.AmqpEnvironmentBuilder;
import java.util.concurrent.*;

class Accept {
    public static void main(String[] arguments) throws Exception {
        var done = new CountDownLatch(1);
        try (var environment = new AmqpEnvironmentBuilder().build();
                var connection = environment.connectionBuilder()
                    .uri(arguments[0]).build();
                var consumer = connection.consumerBuilder().queue(arguments[1])
                    .messageHandler((context, message) -> {
                        context.accept();
                        done.countDown();
                    }).build()) {
            if (!done.await(10, TimeUnit.SECONDS)) throw new TimeoutException();
        }
        System.exit(0);
    }
}
"""


@pytest.fixture(scope="module")
def watched_kafka():
    """A Kafka node with the JMX exporter."""
    with start_kafka(metrics=True) as broker:
        yield broker


@pytest.fixture(scope="module")
def watched_rabbitmq():
    """A RabbitMQ node with the Prometheus plugin and the management plugin."""
    with start_rabbitmq(metrics=True, management=True) as broker:
        yield broker


@pytest.fixture
def watched_channel(watched_rabbitmq):
    """A channel with confirms to that node."""
    url = pika.URLParameters(watched_rabbitmq.address)
    with pika.BlockingConnection(url) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        yield channel


def read(url):
    with urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def ask(base, path):
    """Return the answer of RabbitMQ's HTTP API at a URL with user and password."""
    user, _, address = base.removeprefix("http://").rpartition("@")
    basic = {"Authorization": f"Basic {b64encode(user.encode()).decode()}"}
    with urlopen(
        Request(f"http://{address}{path}", headers=basic), timeout=10
    ) as found:
        return json.load(found)


def figures(metrics, queue):
    return queue_depth_and_unacked_rabbitmq.depth(metrics, queue)


def names(expression):
    """Return the names of the metrics in a PromQL expression."""
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]", "", expression)
    return set(re.findall(r"[a-zA-Z_][a-zA-Z0-9_:]*", bare)) - WORDS


def rules():
    groups = yaml.safe_load((FILES / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels():
    return json.loads((FILES / "dashboard.json").read_text())["panels"]


def configuration():
    return yaml.safe_load((FILES / "prometheus.yml").read_text())


def exposed(broker, kind):
    """Return how many jobs of the shown configuration get each name from a node."""
    base = broker.nodes[0].metrics.removesuffix("/metrics")
    found = Counter()
    for job in configuration()["scrape_configs"]:
        if job["job_name"].startswith(kind):
            asked = urlencode(job.get("params", {}), doseq=True)
            page = read(f"{base}{job.get('metrics_path', '/metrics')}?{asked}")
            lines = [line for line in page.splitlines() if line and line[0] != "#"]
            found.update({re.split("[{ ]", line)[0] for line in lines})
    return found


# The harness.


def test_a_program_that_asks_for_metrics_has_a_broker_of_its_own():
    options = {name for name, each in SERVICES.items() if each.option}
    asking = [each for each in find("production/") if options & {*each.parameters}]
    assert asking
    assert all(each.own for each in asking)


def test_the_endpoints_listen_on_the_loopback_address_only(
    watched_kafka, watched_rabbitmq
):
    ports = {
        int(re.search(r":(\d+)(/|$)", url)[1])
        for url in (
            watched_kafka.nodes[0].metrics,
            watched_rabbitmq.nodes[0].metrics,
            watched_rabbitmq.nodes[0].management,
        )
    }
    found = [each for each in listeners(psutil.Process()) if each[1] in ports]
    assert sorted(found) == sorted((HOST, port) for port in ports)


def test_the_http_api_answers_with_the_version(watched_rabbitmq):
    overview = ask(watched_rabbitmq.nodes[0].management, "/api/overview")
    assert overview["rabbitmq_version"] == watched_rabbitmq.version


# Lag and depth.


@pytest.mark.parametrize("module", [consumer_lag_kafka, consumer_lag_rabbitmq])
def test_lag_drains_as_the_arithmetic_predicts(module, request, capsys):
    kind = module.__name__.rpartition("_")[2]
    module.main(request.getfixturevalue(kind))
    assert capsys.readouterr().out.endswith("it did, within a factor of two: True\n")


def test_the_admin_client_sees_the_same_lag_as_a_consumer(kafka, topic):
    lag_alert_kafka.send_orders(kafka, topic, 50)
    partition = TopicPartition(topic, 0)
    with lag_alert_kafka.connect(kafka, topic) as worker:
        worker.poll(timeout_ms=10000)
        worker.commit()
        seen = consumer_lag_kafka.lag(worker)
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        end = admin.list_partition_offsets({partition: OffsetSpec.LATEST})[partition]
        group = f"{topic}-workers"
        committed = admin.list_group_offsets({group: [partition]})[group][partition]
    assert seen == end.offset - committed.offset == 20


@pytest.mark.parametrize(("prefetch", "depth"), [(10, (20, 10)), (0, (0, 30))])
def test_prefetch_moves_messages_from_ready_to_unacked(
    watched_rabbitmq, watched_channel, queue, prefetch, depth
):
    metrics, program = (
        watched_rabbitmq.nodes[0].metrics,
        queue_depth_and_unacked_rabbitmq,
    )
    program.send(watched_channel, queue, 30)
    program.stuck_consumer(watched_channel.connection, queue, prefetch)

    def fact():
        watched_channel.connection.process_data_events(0.1)
        return figures(metrics, queue) == depth

    assert until(fact)


def test_the_http_api_tells_of_ready_and_unacked_too(
    watched_rabbitmq, watched_channel, queue
):
    queue_depth_and_unacked_rabbitmq.send(watched_channel, queue, 5)
    watched_channel.basic_get(queue)
    management = watched_rabbitmq.nodes[0].management

    def fact():
        found = ask(management, f"/api/queues/%2F/{queue}")
        names = ("messages_ready", "messages_unacknowledged")
        return [found.get(name) for name in names] == [4, 1]

    assert until(fact)


@pytest.mark.parametrize(("kind", "told"), [("classic", True), ("quorum", False)])
def test_rabbitmq_tells_the_age_of_the_oldest_message_of_classic_queues_only(
    watched_rabbitmq, watched_channel, queue, kind, told
):
    arguments = {"x-queue-type": kind}
    watched_channel.queue_declare(queue, durable=True, arguments=arguments)
    stamped = pika.BasicProperties(timestamp=int(time.time()))
    watched_channel.basic_publish("", queue, b"an order", stamped)
    metrics = watched_rabbitmq.nodes[0].metrics
    assert until(lambda: figures(metrics, queue) == (1, 0))
    page = read(f"{metrics}/per-object")
    named = re.search(f"head_message_timestamp.*{queue}", page) is not None
    assert named is told


def test_the_aggregated_endpoint_of_rabbitmq_names_no_queue(
    watched_rabbitmq, watched_channel, queue
):
    watched_channel.queue_declare(queue, durable=True)
    metrics = watched_rabbitmq.nodes[0].metrics
    assert until(lambda: queue in read(f"{metrics}/per-object"))
    assert queue not in read(metrics)


# Alerts.


def test_a_burst_fires_the_alert_on_the_count_alone(kafka, topic):
    lag_alert_kafka.send_orders(kafka, topic, 300)
    with lag_alert_kafka.connect(kafka, topic) as worker:
        watcher = lag_alert_kafka.connect(kafka, topic)

        def handle_some():
            worker.poll(timeout_ms=1000)
            worker.commit()

        partition = TopicPartition(topic, 0)
        with watcher:
            fired = lag_alert_kafka.watch(
                watcher, partition, handle_some, lambda count, age: not count
            )
    assert fired == {"count": True, "age": False}


def test_a_stuck_worker_fires_the_alert_on_age_alone(kafka, topic, monkeypatch):
    monkeypatch.setattr(lag_alert_kafka, "AGE", 1)
    lag_alert_kafka.send_orders(kafka, topic, 20)
    with lag_alert_kafka.connect(kafka, topic) as watcher:
        fired = lag_alert_kafka.watch(
            watcher,
            TopicPartition(topic, 0),
            lambda: time.sleep(0.1),
            lambda count, age: age > 2,
        )
    assert fired == {"count": False, "age": True}


def test_rabbitmq_shows_a_stuck_worker_by_what_is_not_acknowledged(
    watched_rabbitmq, watched_channel, queue, monkeypatch
):
    monkeypatch.setattr(lag_alert_rabbitmq, "IDLE", 1)
    watched_channel.queue_declare(
        queue, durable=True, arguments={"x-queue-type": "quorum"}
    )
    watched_channel.basic_consume(queue, lambda *order: None)
    lag_alert_rabbitmq.send_orders(watched_channel, queue, 20)
    fired = lag_alert_rabbitmq.watch(
        watched_rabbitmq.nodes[0].metrics,
        queue,
        lambda: watched_channel.connection.process_data_events(0.1),
        lambda count, idle: idle > 2,
    )
    assert fired == {"count": False, "idle": True}


# Endpoints.


def test_kafkas_exporter_counts_records_and_names_topics_but_no_group(
    watched_kafka, topic
):
    metrics = watched_kafka.nodes[0].metrics
    before = metrics_endpoint_kafka.scrape(metrics)
    metrics_endpoint_kafka.send(watched_kafka.address, topic, 100)
    after = metrics_endpoint_kafka.scrape(metrics)
    metrics_endpoint_kafka.receive(watched_kafka.address, topic, 40)
    name = metrics_endpoint_kafka.COUNTERS[0]
    page = read(metrics)
    assert after[name] - before.get(name, 0) == 100
    assert f'"{topic}"' in page
    assert "billing" not in page


def test_rabbitmq_shows_a_consumer_that_stops(watched_rabbitmq, watched_channel, queue):
    metrics = watched_rabbitmq.nodes[0].metrics
    queue_depth_and_unacked_rabbitmq.send(watched_channel, queue, 10)
    consumer = queue_depth_and_unacked_rabbitmq.stuck_consumer(
        watched_channel.connection, queue, 4
    )
    labels = f'{{vhost="/",queue="{queue}"}}'

    def consumers():
        scraped = metrics_endpoint_rabbitmq.scrape(f"{metrics}/per-object")
        return scraped.get(f"rabbitmq_queue_consumers{labels}")

    assert until(lambda: consumers() == "1" and figures(metrics, queue) == (6, 4))
    consumer.close()
    assert until(lambda: consumers() == "0" and figures(metrics, queue) == (10, 0))


def test_three_metrics_tell_a_missing_replica_from_a_refusing_partition(capsys):
    with start_kafka(nodes=3, metrics=True) as cluster:
        under_replicated_kafka.main(cluster, cluster.nodes[0].metrics)
    told = capsys.readouterr().out
    assert "orders: acknowledged" in told
    assert "payments: refused, not enough replicas" in told


@pytest.mark.parametrize(("protocol", "counted"), [("0-9-1", True), ("1.0", False)])
def test_rabbitmq_counts_by_queue_what_amqp_0_9_1_acknowledges_and_not_amqp_1_0(
    watched_rabbitmq, watched_channel, queue, amqp, tmp_path, protocol, counted
):
    metrics = watched_rabbitmq.nodes[0].metrics
    queue_depth_and_unacked_rabbitmq.send(watched_channel, queue, 1)
    assert until(lambda: figures(metrics, queue) == (1, 0))
    if protocol == "1.0":
        program = tmp_path / "Accept.java"
        program.write_text(ACCEPT)
        amqp(program, watched_rabbitmq.address.removesuffix("/"), queue)
    else:
        watched_channel.basic_ack(watched_channel.basic_get(queue)[0].delivery_tag)
    acknowledged = f'queue_messages_acked_total{{vhost="/",queue="{queue}"}} 1'

    def told():
        return acknowledged in read(f"{metrics}/detailed?family=queue_delivery_metrics")

    assert until(lambda: figures(metrics, queue) == (0, 0))
    assert until(told, 60 if counted else 3) is counted


# The files that a reader loads into Prometheus and Grafana.


def test_every_metric_in_the_files_is_exposed_by_a_running_broker(
    watched_kafka, watched_rabbitmq, watched_channel, topic, queue
):
    # Some are there only after the first message, or the first acknowledgement.
    metrics_endpoint_kafka.send(watched_kafka.address, topic, 1)
    queue_depth_and_unacked_rabbitmq.send(watched_channel, queue, 1)
    watched_channel.basic_ack(watched_channel.basic_get(queue)[0].delivery_tag)
    expressions = [rule["expr"] for rule in rules()]
    expressions += [each["expr"] for panel in panels() for each in panel["targets"]]
    used = set().union(*map(names, expressions))
    assert len(used) > 20

    def from_one_job():
        found = exposed(watched_kafka, "kafka") + exposed(watched_rabbitmq, "rabbitmq")
        return {name for name in used if found[name] == 1}

    until(lambda: from_one_job() == used, 10)
    assert from_one_job() == used


@pytest.fixture
def running_prometheus(prometheus, watched_kafka, watched_rabbitmq, tmp_path):
    """A function that asks a Prometheus that runs on the shown files.

    Its targets are the two watched brokers, and it asks them each second.
    """
    text = (FILES / "prometheus.yml").read_text().replace("30s", "1s")
    for shown, broker in (
        ("localhost:9404", watched_kafka),
        ("localhost:15692", watched_rabbitmq),
    ):
        assert shown in text
        text = text.replace(shown, urlsplit(broker.nodes[0].metrics).netloc)
    (tmp_path / "prometheus.yml").write_text(text)
    shutil.copy(FILES / "alerts.yml", tmp_path)
    (port,) = free_ports(1)
    base = f"http://{HOST}:{port}"
    node = Node(
        "prometheus",
        base,
        tmp_path,
        [
            str(prometheus / "prometheus"),
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            f"--web.listen-address={HOST}:{port}",
        ],
        {},
        ready=lambda: "Ready" in read(f"{base}/-/ready"),
    )

    def ask(path, **parameters):
        """Return the data of an answer of its HTTP API."""
        return json.loads(read(f"{base}/api/v1/{path}?{urlencode(parameters)}"))["data"]

    node.start()
    try:
        yield ask
    finally:
        node.stop()


def test_prometheus_runs_the_shown_files_against_both_brokers(
    running_prometheus, watched_channel, queue
):
    def result(query):
        return running_prometheus("query", query=query)["result"]

    stream = {"x-queue-type": "stream"}
    watched_channel.queue_declare(f"{queue}-log", durable=True, arguments=stream)
    watched_channel.basic_publish("", f"{queue}-log", b"an order")
    watched_channel.basic_qos(prefetch_count=1)
    watched_channel.basic_consume(f"{queue}-log", lambda *order: None)
    queue_depth_and_unacked_rabbitmq.send(watched_channel, f"{queue}-dead", 1)
    queue_depth_and_unacked_rabbitmq.send(watched_channel, queue, 1)
    watched_channel.basic_consume(queue, lambda *order: None)  # It acknowledges none.
    targets = len(configuration()["scrape_configs"])
    assert until(lambda: len(result("up == 1")) == targets)

    def rules_now():
        groups = running_prometheus("rules")["groups"]
        return {rule["name"]: rule for group in groups for rule in group["rules"]}

    # They were evaluated, without an error.
    healthy = dict.fromkeys((rule["alert"] for rule in rules()), "ok")
    assert until(lambda: {n: r["health"] for n, r in rules_now().items()} == healthy)
    # The labels of the two sides fit, or there would be nothing to compare.
    free, limit = (
        f"rabbitmq_disk_space_available{each}_bytes" for each in ("", "_limit")
    )
    assert until(lambda: len(result(f"{free} > {limit}")) == 1)
    told = {queue, f"{queue}-log", f"{queue}-dead"}
    ready = "rabbitmq_detailed_queue_messages > 0"
    assert until(lambda: told <= {each["metric"]["queue"] for each in result(ready)})

    def waiting(alert):
        """Return which of these queues an alert is about, and in which state."""
        alerts = rules_now()[alert]["alerts"]
        found = {each["labels"]["queue"]: each["state"] for each in alerts}
        return {name: found[name] for name in told & found.keys()}

    # `for` has begun, for the queue whose consumer hangs alone.
    assert until(lambda: waiting("RabbitMQQueueStuck") == {queue: "pending"})
    assert waiting("RabbitMQQueueWithoutConsumer") == {}


def test_every_alert_says_how_urgent_it_is_and_what_to_do():
    verbs = ("Start", "Find", "Look", "Free", "Correct")
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "ticket"), rule["alert"]
        last = re.split(r"\. ", rule["annotations"]["summary"])[-1]
        assert last.startswith(verbs), rule["alert"]


def test_the_dashboards_panels_do_not_overlap():
    places = [tuple(each["gridPos"][key] for key in "xy") for each in panels()]
    numbers = [each["id"] for each in panels()]
    assert len({*places}) == len({*numbers}) == len(panels())

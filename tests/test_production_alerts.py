"""Chapter `production`: the rules of `alerts.yml`, tried with Prometheus's own tool."""

import subprocess
from pathlib import Path

import pytest
import yaml

FILES = Path(__file__).parents[1] / "book" / "production"
QUEUE = '{vhost="/", queue="orders"}'
DEAD_LETTERS = "rabbitmq_global_messages_dead_lettered"
LIMIT = 50e6  # Bytes of free disk below which RabbitMQ blocks publishers by default.


def steps(*parts):
    """Return the values of a series, one each half minute.

    Each part is its first value, how much it changes in a half minute, and how many
    minutes it lasts.
    """
    return " ".join(
        f"{first:.0f}{step:+.0f}x{2 * minutes - 1}" for first, step, minutes in parts
    )


def steady(value):
    return steps((value, 0, 120))


def queue(messages, consumers=1, acked=None, delivered=None, name="orders", kind=""):
    """Return the series of a queue; it is there from the beginning, and so is its type.

    What is not given of acknowledged and delivered messages stays as it was.
    """
    labels = QUEUE.replace("orders", name)
    told = "rabbitmq_detailed_queue"
    kind = labels.replace("}", f', queue_type="rabbit_{kind or "quorum"}_queue"}}')
    return {
        f"{told}_messages{labels}": messages,
        f"{told}_messages_ready{labels}": messages,
        f"{told}_consumers{labels}": steady(consumers),
        f"{told}_messages_acked_total{labels}": acked or steady(7),
        f"{told}_messages_delivered_total{labels}": delivered or steady(0),
        f"{told}_info{kind}": steady(1),
    }


def disk(gigabytes, falls):
    """Return the free disk of a node that has so much and loses so much in an hour."""
    return {
        "rabbitmq_disk_space_available_bytes": steps(
            (gigabytes * 1e9, -falls * 1e9 / 120, 120)
        ),
        "rabbitmq_disk_space_available_limit_bytes": steady(LIMIT),
    }


def targets(*answering):
    """Return what Prometheus says of the targets of one job."""
    return {
        f'up{{job="kafka", instance="node-{number}"}}': steady(int(each))
        for number, each in enumerate(answering)
    }


BROKEN_OFF = steps((0, 0, 30), (1, 0, 90))  # From one moment on there is one of them.
# What happens in two hours, and which alerts fire at any time of it.
CASES = {
    "the first message of an idle queue is worked on for eight minutes": (
        queue(
            steps((0, 0, 60), (1, 0, 8), (0, 0, 52)),
            acked=steps((7, 0, 68), (8, 0, 52)),
        ),
        [],
    ),
    "a worker acknowledges every eighth minute": (
        queue(steady(40), acked=steps(*((each, 0, 8) for each in range(15)))),
        [],
    ),
    "a consumer that does not acknowledge gets what comes": (
        queue(steady(40), delivered=steps((0, 5, 120))),
        [],
    ),
    "a stream keeps what its reader has read": (
        queue(steady(40), kind="stream"),
        [],
    ),
    "nobody consumes the dead letters or what is delayed": (
        queue(steps((0, 0, 5), (1, 0, 115)), consumers=0, name="orders-dead")
        | queue(steady(4), consumers=0, name="orders-retry-2"),
        [],
    ),
    "a consumer hangs": (
        queue(steady(40), acked=steps((0, 9, 60), (1080, 0, 60))),
        ["RabbitMQQueueStuck"],
    ),
    "a queue whose consumers have left": (
        queue(steady(40), consumers=0),
        ["RabbitMQQueueWithoutConsumer"],
    ),
    "a stream that nobody reads": (
        queue(steady(40), consumers=0, kind="stream"),
        [],
    ),
    "one message is refused": (
        {f"{DEAD_LETTERS}_rejected_total": BROKEN_OFF},
        ["RabbitMQDeadLetters"],
    ),
    "one message was delivered too often": (
        {f"{DEAD_LETTERS}_delivery_limit_total": BROKEN_OFF},
        ["RabbitMQDeadLetters"],
    ),
    "a deployment refuses everything": (
        {
            f"{DEAD_LETTERS}_rejected_total": steps((0, 0, 30), (0, 100, 90)),
            f"{DEAD_LETTERS}_delivery_limit_total": steady(0),
        },
        ["RabbitMQDeadLetters", "RabbitMQManyDeadLetters"],
    ),
    "a queue makes its messages expire and another overflows": (
        {
            f"{DEAD_LETTERS}_expired_total": steps((0, 500, 120)),
            f"{DEAD_LETTERS}_maxlen_total": steps((0, 500, 120)),
        },
        [],
    ),
    "a message that no queue takes": (
        {"rabbitmq_global_messages_unroutable_dropped_total": BROKEN_OFF},
        ["RabbitMQUnroutableDropped"],
    ),
    "a disk that would last three hours": (
        disk(12, 4),
        ["RabbitMQDiskFullInADay", "RabbitMQDiskFullInFourHours"],
    ),
    "a disk that would last fifteen hours": (disk(60, 4), ["RabbitMQDiskFullInADay"]),
    "a disk that would last a week": (disk(700, 4), []),
    "an alarm": (
        {
            "rabbitmq_alarms_memory_used_watermark": steady(0),
            "rabbitmq_alarms_free_disk_space_watermark": BROKEN_OFF,
        },
        ["RabbitMQPublishersBlocked"],
    ),
    "a node out of reach": (
        {"rabbitmq_unreachable_cluster_peers_count": BROKEN_OFF},
        ["RabbitMQNodeUnreachable"],
    ),
    "twenty connections a second": (
        {"rabbitmq_connections_opened_total": steps((0, 600, 120))},
        ["RabbitMQConnectionsChurn"],
    ),
    "all targets answer": (targets(True, True), []),
    "one target does not": (targets(True, False), ["OneIsNotHeard"]),
    "none does": (targets(False, False), ["NothingIsHeard", "OneIsNotHeard"]),
    "a partition without a leader": (
        {"kafka_controller_kafkacontroller_offlinepartitionscount": BROKEN_OFF},
        ["KafkaPartitionWithoutLeader"],
    ),
    "one active controller of three": (
        {
            f"kafka_controller_kafkacontroller_activecontrollercount{labels}": steady(n)
            for labels, n in (('{instance="a"}', 1), ('{instance="b"}', 0))
        },
        [],
    ),
    "two active controllers": (
        {"kafka_controller_kafkacontroller_activecontrollercount": steady(2)},
        ["KafkaNotOneActiveController"],
    ),
    "a partition below its minimum": (
        {"kafka_server_replicamanager_underminisrpartitioncount": BROKEN_OFF},
        ["KafkaPartitionBelowMinimum"],
    ),
    "a folder that failed": (
        {"kafka_log_logmanager_offlinelogdirectorycount": BROKEN_OFF},
        ["KafkaDiskFailed"],
    ),
    "a replica is missing for ten minutes": (
        {
            "kafka_server_replicamanager_underreplicatedpartitions": steps(
                (0, 0, 30), (1, 0, 10), (0, 0, 80)
            )
        },
        [],
    ),
    "a replica is missing": (
        {"kafka_server_replicamanager_underreplicatedpartitions": BROKEN_OFF},
        ["KafkaUnderReplicated"],
    ),
    "a replica falls out every other minute": (
        {
            "kafka_server_replicamanager_isrshrinks_total": steps(
                *((each, 0, 2) for each in range(60))
            )
        },
        ["KafkaReplicasComeAndGo"],
    ),
    "handlers that are seldom idle": (
        {
            "kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent": (
                "0.1x239"
            )
        },
        ["KafkaHandlersBusy"],
    ),
}


@pytest.fixture
def try_rules(promtool, tmp_path):
    """A function that has the tool see which alerts fire until a minute."""

    def try_rules(series, firing, until=120):
        told = 'group by (alertname) (count_over_time(ALERTS{alertstate="firing"}[3h]))'
        samples = [{"labels": f'{{alertname="{each}"}}', "value": 1} for each in firing]
        test = {
            "interval": "30s",
            "input_series": [
                {"series": name, "values": values} for name, values in series.items()
            ],
            "promql_expr_test": [
                {"expr": told, "eval_time": f"{until}m", "exp_samples": samples}
            ],
        }
        file = tmp_path / "test.yml"
        rules = {
            "rule_files": [str(FILES / "alerts.yml")],
            "evaluation_interval": "30s",
            "tests": [test],
        }
        file.write_text(yaml.safe_dump(rules))
        run = subprocess.run(
            [promtool, "test", "rules", file],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert run.returncode == 0, run.stdout + run.stderr

    return try_rules


def test_prometheus_takes_the_shown_configuration_and_its_rules(promtool):
    command = [promtool, "check", "config", FILES / "prometheus.yml"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"SUCCESS: {len(alerts())} rules found" in run.stdout


def alerts():
    groups = yaml.safe_load((FILES / "alerts.yml").read_text())["groups"]
    return {rule["alert"] for group in groups for rule in group["rules"]}


@pytest.mark.parametrize("case", CASES)
def test_these_alerts_fire_and_no_other(try_rules, case):
    try_rules(*CASES[case])


def test_each_alert_fires_in_one_of_the_cases():
    assert {each for _, firing in CASES.values() for each in firing} == alerts()


@pytest.mark.parametrize(("minute", "fires"), [(9, False), (11, True)])
def test_a_queue_of_which_nothing_is_acknowledged_pages_after_ten_minutes(
    try_rules, minute, fires
):
    try_rules(queue(steady(40)), ["RabbitMQQueueStuck"] * fires, until=minute)

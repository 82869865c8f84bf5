"""Kafka's JMX exporter tells Prometheus what the broker does, by these names.

Watch what is not there: the endpoint counts records and errors, and names no consumer
group, so that a consumer's lag must come from elsewhere.
"""

from urllib.request import urlopen

from kafka import KafkaConsumer, KafkaProducer

COUNTERS = [
    "kafka_server_brokertopicmetrics_messagesin_total",
    "kafka_server_brokertopicmetrics_failedproducerequests_total",
]
GAUGES = [
    "kafka_server_replicamanager_underreplicatedpartitions",
    "kafka_server_replicamanager_underminisrpartitioncount",
    "kafka_controller_kafkacontroller_offlinepartitionscount",
    "kafka_controller_kafkacontroller_activecontrollercount",
]


def scrape(metrics):
    """Return what Prometheus would read: a value for each name with its labels."""
    with urlopen(metrics, timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return {
        name: float(value)
        for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")
    }


def send(bootstrap, topic, count):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for number in range(1, count + 1):
            producer.send(topic, f"order {number}".encode())


def receive(bootstrap, topic, count):
    """Handle `count` orders in a group that commits, and stop."""
    with KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id="billing",
        auto_offset_reset="earliest",
        consumer_timeout_ms=30000,
    ) as consumer:
        for _, _ in zip(range(count), consumer, strict=False):
            pass


def main(broker, metrics, topic="orders"):
    before = scrape(metrics)
    send(broker.address, topic, 100)
    after = scrape(metrics)
    print("100 orders later:")
    for name in COUNTERS:
        print(f"  {name} +{after[name] - before.get(name, 0):g}")
    for name in GAUGES:
        print(f"  {name} {after[name]:g}")
    end = f'kafka_log_log_logendoffset{{partition="0",topic="{topic}"}}'
    print(f"  {end} {after[end]:g}")
    receive(broker.address, topic, 40)
    names = "\n".join(scrape(metrics))
    print("the group billing handled 40 and stopped; 60 wait")
    print("the endpoint names the topic:", f'"{topic}"' in names)
    print("the endpoint names the group:", "billing" in names)

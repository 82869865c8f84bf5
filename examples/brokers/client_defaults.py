"""What the installed clients and RabbitMQ do if nothing is set, asked of themselves."""

import ctypes
import importlib.metadata
import inspect
import json
import re
import subprocess
from pathlib import Path

import pika
from confluent_kafka import cimpl, libversion
from kafka import KafkaConsumer, KafkaProducer
from pika.adapters.blocking_connection import BlockingChannel

from . import maven
from .kafka_node import java
from .rabbitmq_install import install

RECORDED = Path(__file__).with_suffix(".json")
# A setting's name in Java, and where librdkafka has another one, that.
PRODUCER = {
    "acks": "",
    "enable.idempotence": "",
    "max.in.flight.requests.per.connection": "",
    "retries": "",
    "retry.backoff.ms": "",
    "delivery.timeout.ms": "",
    "request.timeout.ms": "",
    "linger.ms": "",
    "batch.size": "",
    "compression.type": "",
    "max.request.size": "message.max.bytes",
    "max.block.ms": "",
    "partitioner.class": "partitioner",
    "transaction.timeout.ms": "",
}
CONSUMER = {
    "auto.offset.reset": "",
    "enable.auto.commit": "",
    "auto.commit.interval.ms": "",
    "isolation.level": "",
    "group.protocol": "",
    "partition.assignment.strategy": "",
    "session.timeout.ms": "",
    "heartbeat.interval.ms": "",
    "max.poll.interval.ms": "",
    "max.poll.records": "",
    "fetch.min.bytes": "",
    "fetch.max.wait.ms": "fetch.wait.max.ms",
    "fetch.max.bytes": "",
    "max.partition.fetch.bytes": "",
    "check.crcs": "",
    "allow.auto.create.topics": "",
}
CLASSES = {"producer": KafkaProducer, "consumer": KafkaConsumer}
PIKA = {
    "heartbeat": pika.ConnectionParameters.DEFAULT_HEARTBEAT_TIMEOUT,
    "blocked_connection_timeout": (
        pika.ConnectionParameters.DEFAULT_BLOCKED_CONNECTION_TIMEOUT
    ),
    "connection_attempts": pika.ConnectionParameters.DEFAULT_CONNECTION_ATTEMPTS,
    "retry_delay": pika.ConnectionParameters.DEFAULT_RETRY_DELAY,
    "socket_timeout": pika.ConnectionParameters.DEFAULT_SOCKET_TIMEOUT,
    "stack_timeout": pika.ConnectionParameters.DEFAULT_STACK_TIMEOUT,
    "channel_max": pika.ConnectionParameters.DEFAULT_CHANNEL_MAX,
    "frame_max": pika.ConnectionParameters.DEFAULT_FRAME_MAX,
    "delivery_mode": pika.BasicProperties().delivery_mode,
}
PIKA_CALLS = {
    "queue_declare": ("durable", "exclusive", "auto_delete"),
    "exchange_declare": ("exchange_type", "durable"),
    "basic_publish": ("mandatory",),
    "basic_consume": ("auto_ack", "exclusive"),
    "basic_nack": ("requeue",),
    "basic_reject": ("requeue",),
    "basic_qos": ("prefetch_size", "prefetch_count", "global_qos"),
}
RABBITMQ = (
    "vm_memory_high_watermark",
    "disk_free_limit",
    "heartbeat",
    "frame_max",
    "channel_max",
    "max_message_size",
    "consumer_timeout",
    "quorum_cluster_size",
    "default_user",
    "loopback_users",
)


def of_java(kind: str) -> dict[str, str]:
    """Return {setting: default} as Java's "producer" or "consumer" documents itself."""
    name = f"org.apache.kafka.clients.{kind}.{kind.capitalize()}Config"
    run = subprocess.run(java(name), capture_output=True, text=True, timeout=60)
    entry = r'<a id="([\w.]+)"></a>.*?<th>Default:</th><td>(.*?)</td>'
    return dict(re.findall(entry, run.stdout, re.DOTALL))


def of_librdkafka(name: str) -> str | None:
    """Return the default of a setting of librdkafka, or None if it has none such."""
    library = ctypes.CDLL(cimpl.__file__)
    value, size = ctypes.create_string_buffer(200), ctypes.c_size_t(200)
    for level in ("rd_kafka_conf", "rd_kafka_topic_conf"):
        new, get = getattr(library, f"{level}_new"), getattr(library, f"{level}_get")
        new.restype = ctypes.c_void_p
        if get(ctypes.c_void_p(new()), name.encode(), value, ctypes.byref(size)) == 0:
            return value.value.decode()
    return None


def of_kafka_python(kind: str, name: str) -> str | None:
    """Return the default of a setting of kafka-python, or None if it has none such."""
    settings = CLASSES[kind].DEFAULT_CONFIG
    key = name.replace(".", "_").removesuffix("_class")
    return shown(settings[key]) if key in settings else None


def shown(value: object) -> str:
    """Return a default as it is printed: a class or an object by the class's name."""
    if isinstance(value, list | tuple):
        return ", ".join(shown(each) for each in value)
    if isinstance(value, str | int | float | bool | None):
        return str(value)
    return (value if isinstance(value, type) else type(value)).__name__


def of_kafka_clients(kind: str, settings: dict[str, str]) -> list[list[str | None]]:
    """Return rows: a setting, and its default in the three clients of Kafka."""
    documented = of_java(kind)
    return [
        [
            name,
            re.sub(r"class [\w.]+\.", "", documented[name]).replace(",", ", "),
            of_librdkafka(other or name),
            of_kafka_python(kind, name),
        ]
        for name, other in settings.items()
    ]


def of_pika() -> list[list[str]]:
    """Return rows: a parameter of pika and its default."""
    rows = [[name, shown(value)] for name, value in PIKA.items()]
    for call, names in PIKA_CALLS.items():
        parameters = inspect.signature(getattr(BlockingChannel, call)).parameters
        rows += [[f"{call}: {name}", shown(parameters[name].default)] for name in names]
    return rows


def of_rabbitmq() -> list[list[str]]:
    """Return rows: a key of RabbitMQ's application `rabbit` and its value there."""
    (app,) = install().sbin.parent.rglob("ebin/rabbit.app")
    text = re.sub(r"\s+", "", re.sub(r"%.*", "", app.read_text()))
    return [
        [name, re.sub('[<>"]', "", re.search(rf"\{{{name},(.*?)\}}[,\]]", text)[1])]
        for name in RABBITMQ
    ]


def defaults() -> dict:
    """Return all of them, and the versions of what was asked."""
    return {
        "versions": {
            "Java": maven.version("kafka"),
            "librdkafka": libversion()[0],
            "kafka-python": importlib.metadata.version("kafka-python"),
            "pika": pika.__version__,
            "RabbitMQ": install().version,
        },
        "producer": of_kafka_clients("producer", PRODUCER),
        "consumer": of_kafka_clients("consumer", CONSUMER),
        "pika": of_pika(),
        "rabbitmq": of_rabbitmq(),
    }


def record() -> None:
    """Write them into the file that the book shows."""
    RECORDED.write_text(json.dumps(defaults(), indent=1) + "\n", encoding="utf-8")

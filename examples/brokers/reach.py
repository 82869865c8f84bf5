"""Find the brokers that a program shall use, and say within ten seconds if nobody answers there."""

import os

import pika
from kafka import KafkaAdminClient
from kafka.errors import KafkaError
from pika.exceptions import AMQPError, ProbableAuthenticationError

from .cache import BrokerError

PATIENCE = 8  # Seconds.
VARIABLE = {"kafka": "KAFKA_BOOTSTRAP_SERVERS", "rabbitmq": "AMQP_URL"}
USUAL = {"kafka": "localhost:9092", "rabbitmq": "amqp://guest:guest@localhost:5672/"}
NAME = {"kafka": "Kafka", "rabbitmq": "RabbitMQ"}


def yours(broker: str) -> str | None:
    """Return the address of the reader's own "kafka" or "rabbitmq", if the environment has one."""
    return os.environ.get(VARIABLE[broker]) or None


def reach(broker: str, address: str) -> None:
    """Raise BrokerError unless a real client call to the broker at `address` succeeds."""
    try:
        _call[broker](address)
    except ProbableAuthenticationError as error:
        raise BrokerError(
            f"RabbitMQ at {without_password(address)} refused the user or the password: "
            f"correct them in {VARIABLE[broker]}."
        ) from error
    except (KafkaError, AMQPError, OSError, ValueError) as error:
        raise BrokerError(
            f"No {NAME[broker]} answers at {without_password(address)}: start both brokers with "
            f"`python -m nox -s brokers` in another terminal, or set {VARIABLE[broker]} to the "
            "address of one that runs."
        ) from error


def without_password(address: str) -> str:
    """Return `address` without the user and password that an AMQP URL may hold."""
    scheme, separator, rest = address.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if separator else address


def _call_kafka(address: str) -> None:
    servers = address.split(",")
    KafkaAdminClient(bootstrap_servers=servers, bootstrap_timeout_ms=PATIENCE * 1000).close()


def _call_rabbitmq(address: str) -> None:
    parameters = pika.URLParameters(address)
    parameters.socket_timeout = parameters.stack_timeout = PATIENCE
    parameters.connection_attempts = 1
    pika.BlockingConnection(parameters).close()


_call = {"kafka": _call_kafka, "rabbitmq": _call_rabbitmq}

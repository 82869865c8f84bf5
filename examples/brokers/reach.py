"""Find the brokers that a program uses; say within ten seconds if nobody answers."""

import os
import socket
from threading import Thread

import pika
from kafka import KafkaAdminClient
from kafka.errors import KafkaError
from pika.adapters.utils.connection_workflow import AMQPConnectorException
from pika.exceptions import AMQPError, ProbableAuthenticationError

from .cache import BrokerError

PATIENCE = 8  # Seconds.
VARIABLE = {"kafka": "KAFKA_BOOTSTRAP_SERVERS", "rabbitmq": "AMQP_URL"}
USUAL = {"kafka": "localhost:9092", "rabbitmq": "amqp://guest:guest@localhost:5672/"}
NAME = {"kafka": "Kafka", "rabbitmq": "RabbitMQ"}
FAILURES = (
    BrokerError,
    KafkaError,
    AMQPError,
    AMQPConnectorException,
    OSError,
    ValueError,
)


def yours(broker: str) -> str | None:
    """Return the address of the reader's own broker, if the environment has one."""
    return os.environ.get(VARIABLE[broker]) or None


def reach(broker: str, address: str) -> None:
    """Raise BrokerError unless a client call to the broker at `address` succeeds."""
    outcome: list[Exception | None] = [TimeoutError()]

    def call() -> None:
        try:
            outcome[0] = _call[broker](address)
        except FAILURES as error:
            outcome[0] = error

    thread = Thread(
        target=call, daemon=True
    )  # Looking up a name can outlast every time limit.
    thread.start()
    thread.join(PATIENCE + 1)
    if outcome[0]:
        raise _sentence(broker, address, outcome[0]) from outcome[0]


def _sentence(broker: str, address: str, error: Exception) -> BrokerError:
    where, variable = without_password(address), VARIABLE[broker]
    if isinstance(error, BrokerError):
        return error
    if isinstance(error, ProbableAuthenticationError):
        return BrokerError(
            f"RabbitMQ at {where} refused the user or the password: correct them in "
            f"{variable}."
        )
    return BrokerError(
        f"No {NAME[broker]} answers at {where}: start both brokers with "
        f"`python -m nox -s brokers` in another terminal, or set {variable} to the "
        f"address of one that runs, like {USUAL[broker]}"
    )


def without_password(address: str) -> str:
    """Return `address` without the user and password that an AMQP URL may hold."""
    scheme, separator, rest = address.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if separator else address


def _call_kafka(address: str) -> None:
    servers = address.split(",")
    if not any(_connects(each) for each in servers):
        raise ConnectionError  # The client would not say so but try again and again.
    client = {
        "bootstrap_timeout_ms": PATIENCE * 1000,
        "request_timeout_ms": PATIENCE * 500,
    }
    with KafkaAdminClient(bootstrap_servers=servers, **client) as admin:
        try:
            admin.describe_cluster()
        except KafkaError as error:
            raise BrokerError(
                f"Kafka answers at {address} but sends its clients on to an address "
                "where it does not: correct its advertised.listeners."
            ) from error


def _connects(server: str) -> bool:
    host, _, port = server.strip().rpartition(":")
    try:
        socket.create_connection(
            (host.strip("[]"), int(port)), timeout=PATIENCE / 2
        ).close()
    except OSError:
        return False
    return True


def _call_rabbitmq(address: str) -> None:
    parameters = pika.URLParameters(address)
    parameters.socket_timeout = parameters.stack_timeout = PATIENCE
    parameters.connection_attempts = 1
    pika.BlockingConnection(parameters).close()


_call = {"kafka": _call_kafka, "rabbitmq": _call_rabbitmq}

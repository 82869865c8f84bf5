"""One Kafka and one RabbitMQ for the whole run; fresh names for each test."""

import uuid

import pytest
from brokers import kafka as start_kafka
from brokers import rabbitmq as start_rabbitmq
from brokers.reach import reach, yours


def address_of(name, start):
    """Yield the address of the reader's broker, or of one started for this run."""
    if address := yours(name):
        reach(name, address)
        yield address
        return
    with start() as broker:
        yield broker.address


@pytest.fixture(scope="session")
def kafka():
    """The address of a Kafka node."""
    yield from address_of("kafka", start_kafka)


@pytest.fixture(scope="session")
def rabbitmq():
    """The URL of a RabbitMQ node."""
    yield from address_of("rabbitmq", start_rabbitmq)


@pytest.fixture
def topic():
    """A topic name that no other test uses."""
    return f"orders-{uuid.uuid4().hex}"


@pytest.fixture
def queue():
    """A queue name that no other test uses."""
    return f"orders-{uuid.uuid4().hex}"

"""One Kafka and one RabbitMQ for the whole run; fresh names for each test."""

import os
import signal
import uuid
from contextlib import ExitStack, contextmanager

import pika
import pytest
from brokers import kafka as start_kafka
from brokers import rabbitmq as start_rabbitmq
from brokers.amqp import amqp as start_amqp
from brokers.kafka_connect import connect as start_connect
from brokers.kafka_connect import debezium as start_debezium
from brokers.postgres import database
from brokers.postgres import server as start_postgres
from brokers.programs import fetch
from brokers.reach import reach, yours
from brokers.schema_registry import registry as start_registry
from prometheus import available as prometheus_available
from prometheus import programs as prometheus_programs

START = {"kafka": start_kafka, "rabbitmq": start_rabbitmq}
STARTED = ExitStack()


def shared(name):
    """Return the variable that hands a broker's address to the processes of one run."""
    return f"TESTS_{name.upper()}"


def pytest_sessionstart(session):
    """With `-n`, start the brokers here, before the processes that share them."""
    # Behind a shell's & Ctrl-C is ignored, and what the tests start would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if session.config.getoption("numprocesses", None):
        for name in START:
            os.environ[shared(name)] = STARTED.enter_context(running(name))


# The files that take longest: they begin first, so that none is alone at the end.
LONGEST = (
    "test_labs_both",
    "test_order_pipeline",
    "test_labs_rabbitmq",
    "test_kafka_streams",
    "test_production_scaling",
    "test_rabbitmq_publishing",
    "test_rabbitmq_queue_types",
)


def place(item):
    """Return where a test's file stands among the files."""
    name = item.path.stem
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)


def pytest_collection_modifyitems(items):
    """Put the longest files first; download what the chosen tests need, before the time
    limit of each begins.
    """
    items.sort(key=place)
    needed = {fixture for item in items for fixture in item.fixturenames}
    fetch(needed)
    if needed & {"prometheus", "promtool"} and prometheus_available():
        prometheus_programs()


def pytest_sessionfinish():
    STARTED.close()


@contextmanager
def running(name):
    """Yield the address of the reader's broker, or of one started for this run."""
    if address := os.environ.get(shared(name)):
        yield address
    elif address := yours(name):
        reach(name, address)
        yield address
    else:
        with START[name]() as broker:
            yield broker.address


@pytest.fixture(scope="session")
def kafka():
    """The address of a Kafka node."""
    with running("kafka") as address:
        yield address


@pytest.fixture(scope="session")
def rabbitmq():
    """The URL of a RabbitMQ node."""
    with running("rabbitmq") as address:
        yield address


@pytest.fixture(scope="session")
def amqp(rabbitmq):
    """What runs Java programs with the AMQP 1.0 client; each is compiled once."""
    with start_amqp(rabbitmq) as run:
        yield run


@pytest.fixture(scope="session")
def connect(kafka):
    """The URL of the REST API of a Kafka Connect worker beside that node."""
    with start_connect(kafka) as url:
        yield url


@pytest.fixture(scope="session")
def debezium(kafka):
    """The URL of a Kafka Connect worker that has Debezium's PostgreSQL connector."""
    with start_debezium(kafka) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_server():
    """The URL of a PostgreSQL server."""
    with start_postgres() as url:
        yield url


@pytest.fixture
def postgres(postgres_server):
    """The URL of an empty database that no other test uses."""
    with database(postgres_server) as url:
        yield url


@pytest.fixture(scope="session")
def registry(kafka):
    """The URL of a Schema Registry."""
    with start_registry(kafka) as url:
        yield url


@pytest.fixture(scope="session")
def prometheus():
    """The folder with Prometheus and its tool."""
    if not prometheus_available():
        pytest.skip("Prometheus comes from Debian, with apt.")
    return prometheus_programs()


@pytest.fixture(scope="session")
def promtool(prometheus):
    """The tool that checks and tries rules."""
    return prometheus / "promtool"


@pytest.fixture
def new_channel(rabbitmq):
    """A function that returns a channel with confirms, on a connection of its own."""
    connections = []

    def new_channel():
        connections.append(pika.BlockingConnection(pika.URLParameters(rabbitmq)))
        channel = connections[-1].channel()
        channel.confirm_delivery()
        return channel

    yield new_channel
    for connection in connections:
        if connection.is_open:
            connection.close()


@pytest.fixture
def channel(new_channel):
    """A channel to RabbitMQ on which publishing waits for the broker's confirm."""
    return new_channel()


@pytest.fixture
def topic():
    """A topic name that no other test uses."""
    return f"orders-{uuid.uuid4().hex}"


@pytest.fixture
def queue():
    """A queue name that no other test uses."""
    return f"orders-{uuid.uuid4().hex}"

"""Real Kafka and RabbitMQ on this computer, for as long as a run needs them."""

from .cache import BrokerError
from .process import Broker, Node

__all__ = ["Broker", "BrokerError", "Node", "kafka", "rabbitmq"]


def __getattr__(name: str):
    """Import what needs the clients only on demand: the doctor works without them."""
    if name == "kafka":
        from .kafka_node import kafka

        return kafka
    if name == "rabbitmq":
        from .rabbitmq_node import rabbitmq

        return rabbitmq
    raise AttributeError(name)

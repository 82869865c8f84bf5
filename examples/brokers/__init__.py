"""Real Kafka and RabbitMQ on this computer, started and stopped by the run that needs them."""

from .cache import BrokerError
from .kafka_node import kafka
from .process import Broker, Node
from .rabbitmq_node import rabbitmq

__all__ = ["Broker", "BrokerError", "Node", "kafka", "rabbitmq"]

"""The broker's certificate expires: who is connected stays, and nobody else gets in.

Watch the new certificate: it is a new file, and the broker is not restarted for it.
"""

import socket
import ssl
import time

from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType


def login(secured):
    """Return how a client of kafka-python logs in through TLS."""
    return {
        "bootstrap_servers": secured.encrypted,
        "security_protocol": "SASL_SSL",
        "ssl_cafile": secured.ca,
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": secured.administrator,
        "sasl_plain_password": secured.password,
    }


def send(producer, topic):
    """Send an order, and wait for the broker's acknowledgement."""
    producer.send(topic, b"order 1: a lamp").get(timeout=10)
    return "sent"


def get_in(secured):
    """Shake hands as a new client does, and return what comes of it."""
    tls = ssl.create_default_context(cafile=secured.ca)
    host, _, port = secured.encrypted.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        try:
            tls.wrap_socket(connection, server_hostname=host).close()
            return "connected"
        except ssl.SSLCertVerificationError as error:
            return error.verify_message


def wait_for(secured, outcome):
    """Try to connect until it comes out like that; return how the last try did."""
    deadline = time.monotonic() + 30
    while (found := get_in(secured)) != outcome and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def use(secured, admin, seconds):
    """Give the broker a certificate that is valid for so long, and have it read."""
    secured.replace_certificate(seconds / 86400)
    place = {"listener.name.sasl_ssl.ssl.keystore.location": secured.keystore}
    node = ConfigResource(ConfigResourceType.BROKER, "1", place)
    admin.alter_configs([node], raise_on_unknown=False)  # It knows no such prefix.


def main(secured, topic="orders"):
    with (
        KafkaAdminClient(**login(secured)) as admin,
        KafkaProducer(**login(secured)) as producer,
    ):
        use(secured, admin, 10)
        print("a connection:", send(producer, topic))
        print("a new client:", wait_for(secured, "certificate has expired"))
        print("on the connection from before:", send(producer, topic))
        use(secured, admin, 86400)
        print("a new certificate is in its place")
        print("a new client:", wait_for(secured, "connected"))
        print("on the connection from before:", send(producer, topic))

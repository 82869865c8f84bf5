"""The client shows a certificate instead of a password, and its subject is its name.

Watch the stranger: the same name in a certificate of another authority opens nothing.
"""

import socket
import ssl
import time

from kafka import KafkaAdminClient, KafkaProducer, admin
from kafka.errors import KafkaTimeoutError, TopicAuthorizationFailedError


def create(secured, topic, principal):
    """Create the topic, and let `principal` write to it."""
    with KafkaAdminClient(
        bootstrap_servers=secured.encrypted,
        security_protocol="SASL_SSL",
        ssl_cafile=secured.ca,
        sasl_mechanism="PLAIN",
        sasl_plain_username=secured.administrator,
        sasl_plain_password=secured.password,
    ) as client:
        client.create_topics({topic: {"num_partitions": 1}}, wait_for_metadata=True)
        where = admin.ResourcePattern(admin.ResourceType.TOPIC, topic)
        may, allowed = admin.ACLOperation.WRITE, admin.ACLPermissionType.ALLOW
        rule = principal, "*", may, allowed, where
        client.create_acls([admin.ACL(*rule)])
        deadline = time.monotonic() + 10
        while not client.describe_acls(admin.ACLFilter(*rule))[0]:
            if time.monotonic() > deadline:
                raise TimeoutError("The rule is not in force.")


def send(secured, topic, certificate=None, key=None):
    """Send an order with a client certificate, or none; return what comes of it."""
    try:
        with KafkaProducer(
            bootstrap_servers=secured.mutual,
            security_protocol="SSL",
            ssl_cafile=secured.ca,
            ssl_certfile=certificate,
            ssl_keyfile=key,
            bootstrap_timeout_ms=5000,
        ) as producer:
            return f"offset {producer.send(topic, b'a lamp').get(timeout=10).offset}"
    except (KafkaTimeoutError, TopicAuthorizationFailedError) as error:
        return type(error).__name__


def ask_why(secured, certificate=None, key=None):
    """Return the alert with which the broker ends the TLS handshake."""
    host, _, port = secured.mutual.partition(":")
    context = ssl.create_default_context(cafile=secured.ca)
    if certificate:
        context.load_cert_chain(certificate, key)
    connection = socket.create_connection((host, int(port)), timeout=10)
    try:
        with context.wrap_socket(connection, server_hostname=host) as encrypted:
            encrypted.recv(1)  # Since TLS 1.3 the client hears of it only here.
    except ssl.SSLError as error:
        return error.reason


def main(secured, topic="orders"):
    ours = secured.certificate, secured.key
    strangers = secured.stranger_certificate, secured.stranger_key
    create(secured, topic, "User:CN=warehouse")
    print("a certificate, and a rule for CN=warehouse:", send(secured, topic, *ours))
    create(secured, f"{topic}-2", "User:CN=shop")
    print("a certificate, and a rule for CN=shop:", send(secured, f"{topic}-2", *ours))
    print("no certificate:", send(secured, topic), ask_why(secured))
    what = send(secured, topic, *strangers), ask_why(secured, *strangers)
    print("a certificate of another authority:", *what)

"""A user is made while the broker runs, and the broker keeps no password of it.

Watch the wrong password: one client names the reason, the other only runs out of time.
"""

import time

from confluent_kafka import Producer
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import UserScramCredentialUpsertion
from kafka.errors import KafkaTimeoutError

SCRAM = "SCRAM-SHA-512"


def login(secured, user, password, mechanism=SCRAM):
    """Return how a client of kafka-python logs in through TLS."""
    return {
        "bootstrap_servers": secured.encrypted,
        "security_protocol": "SASL_SSL",
        "ssl_cafile": secured.ca,
        "sasl_mechanism": mechanism,
        "sasl_plain_username": user,
        "sasl_plain_password": password,
        "bootstrap_timeout_ms": 5000,
    }


def make_user(secured, user, password):
    """Make a user, or give it a new password; return what the broker tells of it."""
    administrator = login(secured, secured.administrator, secured.password, "PLAIN")
    with KafkaAdminClient(**administrator) as admin:
        wish = UserScramCredentialUpsertion(user, SCRAM, password, iterations=8192)
        admin.alter_user_scram_credentials([wish])
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:  # The broker hears of it a little later.
            known = admin.describe_user_scram_credentials([user])[user]
            if not known["error"]:
                return known["credential_infos"]
        raise TimeoutError(f"The broker does not know {user}.")


def get_in(secured, user, password):
    """Log in with kafka-python and return what comes of it."""
    try:
        KafkaProducer(**login(secured, user, password)).close()
        return "logged in"
    except KafkaTimeoutError as error:
        return type(error).__name__


def ask_why(secured, user, password):
    """Log in with librdkafka and return the first error that it reports."""
    errors = []
    config = {
        "bootstrap.servers": secured.encrypted,
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": secured.ca,
        "sasl.mechanism": SCRAM,
        "sasl.username": user,
        "sasl.password": password,
        "error_cb": errors.append,
        "log_level": 0,
    }
    producer, deadline = Producer(config), time.monotonic() + 10
    while not errors and time.monotonic() < deadline:
        producer.poll(0.1)
    return errors[0].name()


def main(secured, user="shop"):
    known = make_user(secured, user, "a lamp and two books")
    for each in known:
        print(f"the broker tells of it: {each['mechanism'].name}, {each['iterations']}")
    print("right password:", get_in(secured, user, "a lamp and two books"))
    print("wrong password, kafka-python:", get_in(secured, user, "a chair"))
    print("wrong password, librdkafka:", ask_why(secured, user, "a chair"))

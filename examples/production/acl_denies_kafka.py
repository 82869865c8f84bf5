"""Without a rule nothing is allowed, and each program needs only a few.

Watch the consumer: the topic is not enough, since its group is a resource too.
"""

import time

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, admin
from kafka.errors import KafkaError

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
    }


def allow(client, user, operation, kind, name, pattern="LITERAL"):
    """Allow `user` an operation on what `name` says, and wait until it is in force."""
    kinds, patterns = admin.ResourceType, admin.ACLResourcePatternType
    where = admin.ResourcePattern(kinds[kind], name, patterns[pattern])
    may, allowed = admin.ACLOperation[operation], admin.ACLPermissionType.ALLOW
    rule = f"User:{user}", "*", may, allowed, where
    client.create_acls([admin.ACL(*rule)])
    deadline = time.monotonic() + 10
    while not client.describe_acls(admin.ACLFilter(*rule))[0]:
        if time.monotonic() > deadline:
            raise TimeoutError("The rule is not in force.")
    print(f"{user} may now {operation} the {kind} {name} ({pattern})")


def send(how, topic):
    try:
        with KafkaProducer(**how) as producer:
            producer.send(topic, b"a lamp").get(timeout=10)
            return "sent"
    except KafkaError as error:
        return type(error).__name__


def receive(how, topic, group, seconds=30):
    try:
        with KafkaConsumer(
            topic, group_id=group, auto_offset_reset="earliest", **how
        ) as consumer:
            records = consumer.poll(timeout_ms=seconds * 1000)
            return f"{sum(map(len, records.values()))} received"
    except KafkaError as error:
        return type(error).__name__


def main(secured):
    root = login(secured, secured.administrator, secured.password, "PLAIN")
    shop, billing = (login(secured, each, "pw") for each in ("shop", "billing"))
    with KafkaAdminClient(**root) as client:
        for each in ("shop", "billing"):
            wish = admin.UserScramCredentialUpsertion(each, SCRAM, "pw")
            client.alter_user_scram_credentials([wish])
        client.create_topics(["orders", "orders-eu"], wait_for_metadata=True)
        print("shop sends to orders:", send(shop, "orders"))
        allow(client, "shop", "WRITE", "TOPIC", "orders")
        print("shop sends to orders:", send(shop, "orders"))
        print("shop reads orders:", receive(shop, "orders", None))
        print("shop sends to orders-eu:", send(shop, "orders-eu"))
        allow(client, "shop", "WRITE", "TOPIC", "orders-", "PREFIXED")
        print("shop sends to orders-eu:", send(shop, "orders-eu"))
        print("billing reads orders:", receive(billing, "orders", "billing"))
        allow(client, "billing", "READ", "TOPIC", "orders")
        print("billing reads orders:", receive(billing, "orders", "billing"))
        allow(client, "billing", "READ", "GROUP", "billing")
        print("billing reads orders:", receive(billing, "orders", "billing"))
        print("as a member of payments:", receive(billing, "orders", "payments"))

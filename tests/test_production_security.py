"""The claims of chapter 10, production, about users, TLS and access control."""

import base64
import datetime
import hashlib
import ssl
import stat
import uuid
from dataclasses import replace
from pathlib import Path
from urllib.error import HTTPError

import pika
import pytest
from brokers.cache import BrokerError
from brokers.secured import Authority, secured
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ConfigResource,
    ConfigResourceType,
    ResourcePattern,
    ResourceType,
    UserScramCredentialUpsertion,
)
from kafka.errors import (
    ClusterAuthorizationFailedError,
    TransactionalIdAuthorizationFailedError,
)
from pika.credentials import ExternalCredentials
from pika.exceptions import ProbableAuthenticationError
from production import (
    acl_denies_kafka,
    certificate_days_left_kafka,
    certificate_days_left_rabbitmq,
    certificate_expires_kafka,
    certificate_expires_rabbitmq,
    mutual_tls_kafka,
    mutual_tls_rabbitmq,
    permissions_deny_rabbitmq,
    plaintext_is_readable_kafka,
    plaintext_is_readable_rabbitmq,
    sasl_scram_kafka,
    user_and_password_rabbitmq,
)
from waiting import until

SCRAM = "SCRAM-SHA-512"
NO_TOPIC, NO_GROUP = "TopicAuthorizationFailedError", "GroupAuthorizationFailedError"


@pytest.fixture(scope="module")
def secured_kafka():
    """A Kafka node with users, TLS and ACLs, for the tests of this module."""
    with secured("kafka") as broker:
        yield broker


@pytest.fixture(scope="module")
def secured_rabbitmq():
    """A RabbitMQ node with users and TLS, for the tests of this module."""
    with secured("rabbitmq") as broker:
        yield broker


@pytest.fixture(scope="module")
def admin(secured_kafka):
    """The administrator of the Kafka node."""
    with KafkaAdminClient(**certificate_expires_kafka.login(secured_kafka)) as admin:
        yield admin


@pytest.fixture
def user(admin):
    """The name of a new SCRAM user with the password "pw"."""
    name = f"user-{uuid.uuid4().hex[:8]}"
    wish = UserScramCredentialUpsertion(name, SCRAM, "pw")
    admin.alter_user_scram_credentials([wish])
    return name


@pytest.fixture
def how(secured_kafka, user):
    """How that user logs in."""
    return acl_denies_kafka.login(secured_kafka, user, "pw")


@pytest.fixture
def orders(admin, topic):
    """The name of a topic that is there, and that no other test uses."""
    admin.create_topics({topic: {"num_partitions": 1}}, wait_for_metadata=True)
    return topic


@pytest.fixture
def shop(secured_rabbitmq):
    """The user shop of the RabbitMQ node, with the password "pw" and no permission."""
    permissions_deny_rabbitmq.put(
        secured_rabbitmq, "/users/shop", password="pw", tags=""
    )
    permit(secured_rabbitmq)
    return secured_rabbitmq


def permit(broker, configure="", write="", read=""):
    rights = {"configure": configure, "write": write, "read": read}
    permissions_deny_rabbitmq.put(broker, "/permissions/%2F/shop", **rights)


def test_kafka_without_tls_shows_user_password_and_record(secured_kafka, orders):
    how = {
        **certificate_expires_kafka.login(secured_kafka),
        "bootstrap_servers": secured_kafka.plaintext,
        "security_protocol": "SASL_PLAINTEXT",
    }
    seen = plaintext_is_readable_kafka.send(orders, **how)
    login = f"\0admin\0{secured_kafka.password}".encode()
    assert all(each in seen for each in (login, plaintext_is_readable_kafka.CARD))


def test_kafka_scram_hides_the_password_and_not_the_record(
    secured_kafka, admin, orders
):
    wish = UserScramCredentialUpsertion("admin", SCRAM, secured_kafka.password)
    admin.alter_user_scram_credentials([wish])
    how = {
        **certificate_expires_kafka.login(secured_kafka),
        "bootstrap_servers": secured_kafka.plaintext,
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": SCRAM,
    }
    seen = plaintext_is_readable_kafka.send(orders, **how)
    assert plaintext_is_readable_kafka.CARD in seen
    assert secured_kafka.password.encode() not in seen


def test_kafka_with_tls_shows_nothing(secured_kafka, orders):
    how = certificate_expires_kafka.login(secured_kafka)
    seen = plaintext_is_readable_kafka.send(orders, **how)
    card, password = plaintext_is_readable_kafka.CARD, secured_kafka.password.encode()
    assert len(seen) > 1000
    assert not any(each in seen for each in (card, password, orders.encode()))


def test_rabbitmq_without_tls_shows_user_password_and_message(secured_rabbitmq, queue):
    seen = plaintext_is_readable_rabbitmq.send(
        secured_rabbitmq, queue, secured_rabbitmq.plaintext
    )
    login = f"\0admin\0{secured_rabbitmq.password}".encode()
    assert all(each in seen for each in (login, plaintext_is_readable_rabbitmq.CARD))


def test_rabbitmq_with_tls_shows_nothing(secured_rabbitmq, queue):
    tls = ssl.create_default_context(cafile=secured_rabbitmq.ca)
    tls.load_cert_chain(secured_rabbitmq.certificate, secured_rabbitmq.key)
    seen = plaintext_is_readable_rabbitmq.send(
        secured_rabbitmq, queue, secured_rabbitmq.encrypted, tls
    )
    card = plaintext_is_readable_rabbitmq.CARD
    password = secured_rabbitmq.password.encode()
    assert len(seen) > 1000
    assert not any(each in seen for each in (card, password, queue.encode()))


def test_kafka_lets_a_scram_user_in_who_was_made_while_it_ran(secured_kafka, user):
    assert sasl_scram_kafka.get_in(secured_kafka, user, "pw") == "logged in"


def test_kafka_python_shows_a_wrong_password_as_a_time_out(secured_kafka, user):
    found = sasl_scram_kafka.get_in(secured_kafka, user, "wrong")
    assert found == "KafkaTimeoutError"


def test_librdkafka_names_a_wrong_password(secured_kafka, user):
    assert sasl_scram_kafka.ask_why(secured_kafka, user, "wrong") == "_AUTHENTICATION"


def test_kafka_tells_neither_password_nor_hash_nor_salt(admin, user):
    (known,) = admin.describe_user_scram_credentials([user])[user]["credential_infos"]
    assert known.keys() == {"mechanism", "iterations"}


@pytest.mark.parametrize("iterations", [4095, 16385])
def test_kafka_takes_4096_to_16384_iterations(admin, iterations):
    wish = UserScramCredentialUpsertion("few", SCRAM, "pw", iterations=iterations)
    refusal = admin.alter_user_scram_credentials([wish])["few"]
    assert "iterations" in refusal


def test_rabbitmq_keeps_a_salted_hash_of_a_password(shop):
    known = user_and_password_rabbitmq.ask(shop, "GET", "/users/shop")
    stored = base64.b64decode(known["password_hash"])
    assert stored[4:] == hashlib.sha256(stored[:4] + b"pw").digest()


def test_rabbitmq_refuses_a_wrong_password_at_once(shop):
    assert "403" in user_and_password_rabbitmq.get_in(shop, "shop", "wrong")


def test_rabbitmq_lets_nobody_into_a_virtual_host_without_a_permission(
    secured_rabbitmq,
):
    body = {"password": "pw", "tags": ""}
    user_and_password_rabbitmq.ask(secured_rabbitmq, "PUT", "/users/new", body)
    found = user_and_password_rabbitmq.get_in(secured_rabbitmq, "new", "pw")
    assert "access to vhost '/' refused for user 'new'" in found


def test_private_keys_are_for_their_owner_alone(secured_kafka):
    files = [*Path(secured_kafka.folder).rglob("*.key"), Path(secured_kafka.keystore)]
    modes = {stat.S_IMODE(each.stat().st_mode) for each in files}
    assert modes == {0o600}


@pytest.mark.parametrize("name", ["CN=shop", "CN=warehouse"])
def test_kafka_takes_the_subject_of_a_certificate_for_the_user(
    secured_kafka, topic, name
):
    mutual_tls_kafka.create(secured_kafka, topic, f"User:{name}")
    ours = secured_kafka.certificate, secured_kafka.key
    found = mutual_tls_kafka.send(secured_kafka, topic, *ours)
    assert found == ("offset 0" if name == "CN=shop" else NO_TOPIC)


def test_kafka_refuses_who_has_no_certificate(secured_kafka):
    found = mutual_tls_kafka.ask_why(secured_kafka)
    assert found == "TLSV13_ALERT_CERTIFICATE_REQUIRED"


def test_kafka_refuses_the_certificate_of_another_authority(secured_kafka):
    strangers = secured_kafka.stranger_certificate, secured_kafka.stranger_key
    found = mutual_tls_kafka.ask_why(secured_kafka, *strangers)
    assert found == "SSLV3_ALERT_CERTIFICATE_UNKNOWN"


def test_rabbitmq_takes_the_common_name_of_a_certificate_for_the_user(
    secured_rabbitmq, queue
):
    ours = secured_rabbitmq.certificate, secured_rabbitmq.key
    mutual_tls_rabbitmq.make_user(secured_rabbitmq, "shop")
    assert mutual_tls_rabbitmq.send(secured_rabbitmq, queue, *ours) == "sent"


def test_rabbitmq_refuses_a_certificate_without_a_user(secured_rabbitmq, queue):
    user_and_password_rabbitmq.ask(
        secured_rabbitmq, "PUT", "/users/shop", {"password": "pw", "tags": ""}
    )
    user_and_password_rabbitmq.ask(secured_rabbitmq, "DELETE", "/users/shop")
    ours = secured_rabbitmq.certificate, secured_rabbitmq.key
    found = mutual_tls_rabbitmq.send(secured_rabbitmq, queue, *ours)
    assert found.endswith("ACCESS_REFUSED")


def test_rabbitmq_refuses_who_has_no_certificate(secured_rabbitmq, queue):
    found = mutual_tls_rabbitmq.send(secured_rabbitmq, queue)
    assert found.endswith("TLSV13_ALERT_CERTIFICATE_REQUIRED")


def test_rabbitmq_refuses_the_certificate_of_another_authority(secured_rabbitmq, queue):
    strangers = secured_rabbitmq.stranger_certificate, secured_rabbitmq.stranger_key
    found = mutual_tls_rabbitmq.send(secured_rabbitmq, queue, *strangers)
    assert found.endswith("TLSV1_ALERT_UNKNOWN_CA")


def test_kafka_users_without_a_rule_may_nothing(how, orders):
    assert acl_denies_kafka.send(how, orders) == NO_TOPIC


def test_kafka_does_not_tell_the_unauthorised_whether_a_topic_exists(how, topic):
    assert acl_denies_kafka.send(how, f"{topic}-not-there") == NO_TOPIC


def test_kafka_idempotent_producer_needs_no_right_but_write(admin, user, how, orders):
    acl_denies_kafka.allow(admin, user, "WRITE", "TOPIC", orders)
    idempotent = {**how, "enable_idempotence": True, "acks": "all"}
    assert acl_denies_kafka.send(idempotent, orders) == "sent"


def test_kafka_write_allows_no_read(admin, user, how, orders):
    acl_denies_kafka.allow(admin, user, "WRITE", "TOPIC", orders)
    assert acl_denies_kafka.receive(how, orders, None) == NO_TOPIC


def test_kafka_a_prefix_stands_for_topics_to_come(admin, user, how, topic):
    acl_denies_kafka.allow(admin, user, "WRITE", "TOPIC", f"{topic}-", "PREFIXED")
    later = {f"{topic}-eu": {"num_partitions": 1}}
    admin.create_topics(later, wait_for_metadata=True)
    assert acl_denies_kafka.send(how, f"{topic}-eu") == "sent"


@pytest.mark.parametrize(
    ("allowed", "found"),
    [("TOPIC", NO_GROUP), ("GROUP", "0 received"), ("TOPIC GROUP", "1 received")],
)
def test_kafka_consumer_needs_read_on_the_topic_and_on_the_group(
    secured_kafka, admin, user, how, orders, allowed, found
):
    root = certificate_expires_kafka.login(secured_kafka)
    acl_denies_kafka.send(root, orders)
    for kind in allowed.split():
        acl_denies_kafka.allow(admin, user, "READ", kind, orders)
    seconds = 3 if allowed == "GROUP" else 30
    assert acl_denies_kafka.receive(how, orders, orders, seconds) == found


def test_kafka_denials_win_over_permissions(admin, user, how, orders):
    where = ResourcePattern(ResourceType.TOPIC, orders)
    rule = f"User:{user}", "*", ACLOperation.WRITE, ACLPermissionType.DENY, where
    admin.create_acls([ACL(*rule)])
    acl_denies_kafka.allow(admin, user, "ALL", "TOPIC", orders)
    assert acl_denies_kafka.send(how, orders) != "sent"


def test_kafka_transaction_needs_write_on_its_id(admin, user, how, orders):
    acl_denies_kafka.allow(admin, user, "WRITE", "TOPIC", orders)
    with (
        KafkaProducer(**how, transactional_id=orders) as producer,
        pytest.raises(TransactionalIdAuthorizationFailedError),
    ):
        producer.init_transactions()


def test_kafka_write_creates_no_topic(admin, user, how, topic):
    acl_denies_kafka.allow(admin, user, "WRITE", "TOPIC", topic)
    acl_denies_kafka.send({**how, "max_block_ms": 3000}, topic)
    assert topic not in admin.list_topics()


@pytest.mark.parametrize("kind", ["TOPIC", "CLUSTER"])
def test_kafka_create_on_the_topic_or_the_cluster_creates_topics(
    admin, user, how, topic, kind
):
    name = topic if kind == "TOPIC" else "kafka-cluster"
    acl_denies_kafka.allow(admin, user, "CREATE", kind, name)
    with KafkaAdminClient(**how) as client:
        client.create_topics({topic: {"num_partitions": 1}})
    assert until(lambda: topic in admin.list_topics())


def test_kafka_lets_only_who_may_alter_the_cluster_write_rules(user, how):
    where = ResourcePattern(ResourceType.TOPIC, "orders")
    rule = f"User:{user}", "*", ACLOperation.ALL, ACLPermissionType.ALLOW, where
    with KafkaAdminClient(**how) as client:
        refused = client.create_acls([ACL(*rule)])["failed"]
    assert refused == [ClusterAuthorizationFailedError]


def test_kafka_as_it_comes_lets_anybody_delete_a_topic(kafka, topic):
    with KafkaAdminClient(bootstrap_servers=kafka) as anybody:
        anybody.create_topics({topic: {"num_partitions": 1}}, wait_for_metadata=True)
        anybody.delete_topics([topic])
        assert until(lambda: topic not in anybody.list_topics())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("authorizer.class.name", ""),
        ("security.inter.broker.protocol", "PLAINTEXT"),
        ("ssl.client.auth", "none"),
        ("ssl.enabled.protocols", "TLSv1.2,TLSv1.3"),
        ("sasl.enabled.mechanisms", "GSSAPI"),
        ("auto.create.topics.enable", "true"),
        ("connection.failed.authentication.delay.ms", "100"),
    ],
)
def test_kafka_defaults_of_security(kafka, name, value):
    with KafkaAdminClient(bootstrap_servers=kafka) as client:
        node = ConfigResource(ConfigResourceType.BROKER, "1")
        described = client.describe_configs([node], config_filter="all")
    assert described["broker"]["1"][name]["value"] == value


NEEDED = {
    "declare a queue": ["configure queue orders"],
    "and with dead lettering": [
        "configure queue orders-2",
        "read queue orders-2",
        "write exchange dead",
    ],
    "declare an exchange": ["configure exchange shop"],
    "and with an alternate": [
        "configure exchange shop-2",
        "read exchange shop-2",
        "write exchange dead",
    ],
    "bind a queue": ["write queue orders", "read exchange shop"],
    "publish to an exchange": ["write exchange shop"],
    "publish to a queue": ["write exchange amq.default"],
    "consume": ["read queue orders"],
    "purge a queue": ["read queue orders"],
    "delete a queue": ["configure queue orders"],
}


@pytest.mark.parametrize("name", permissions_deny_rabbitmq.OPERATIONS)
def test_rabbitmq_operations_need(shop, name):
    permit(shop, ".*", ".*", ".*")
    for each in ("declare a queue", "declare an exchange"):
        permissions_deny_rabbitmq.attempt(
            shop, permissions_deny_rabbitmq.OPERATIONS[each]
        )
    operation = permissions_deny_rabbitmq.OPERATIONS[name]
    assert permissions_deny_rabbitmq.find_needed(shop, operation) == NEEDED[name]


@pytest.mark.parametrize(("key", "allowed"), [("eu.new", True), ("us.new", False)])
def test_rabbitmq_topic_permission_looks_at_the_routing_key(shop, key, allowed):
    permit(shop, ".*", ".*", ".*")
    operations = permissions_deny_rabbitmq.OPERATIONS
    permissions_deny_rabbitmq.attempt(shop, operations["declare an exchange"])
    permissions_deny_rabbitmq.put(
        shop, "/topic-permissions/%2F/shop", exchange="shop", write="^eu", read=""
    )
    refusal = permissions_deny_rabbitmq.attempt(
        shop, lambda channel: channel.basic_publish("shop", key, b"lamp")
    )
    user_and_password_rabbitmq.ask(shop, "DELETE", "/topic-permissions/%2F/shop")
    assert (refusal is None) == allowed


def test_rabbitmq_permissions_hold_for_one_virtual_host(shop):
    permit(shop, ".*", ".*", ".*")
    permissions_deny_rabbitmq.put(shop, "/vhosts/billing")
    found = permissions_deny_rabbitmq.attempt(shop, print, vhost="billing")
    assert "access to vhost 'billing' refused for user 'shop'" in found


def test_rabbitmq_user_without_a_tag_has_no_management(shop):
    ask = replace(shop, administrator="shop", password="pw")
    with pytest.raises(HTTPError, match="401"):
        user_and_password_rabbitmq.ask(ask, "GET", "/overview")


class Anonymous(ExternalCredentials):
    """A login that shows nothing at all."""

    TYPE = "ANONYMOUS"

    def response_for(self, start):
        return self.TYPE, b""


def test_rabbitmq_as_it_comes_lets_anybody_in_as_guest(rabbitmq):
    where = pika.URLParameters(rabbitmq)
    where.credentials = Anonymous()
    with pika.BlockingConnection(where) as connection:
        assert connection.channel().queue_declare("", exclusive=True)


def test_rabbitmq_without_anonymous_refuses_who_shows_nothing(secured_rabbitmq):
    host, _, port = secured_rabbitmq.plaintext.partition(":")
    where = pika.ConnectionParameters(host, int(port), credentials=Anonymous())
    with pytest.raises(ProbableAuthenticationError):
        pika.BlockingConnection(where)


DEFAULTS = {
    "loopback_users": '{ok,[<<"guest">>]}',
    "anonymous_login_user": '{ok,<<"guest">>}',
    "anonymous_login_pass": '{ok,<<"guest">>}',
    "auth_backends": "{ok,[rabbit_auth_backend_internal]}",
    "default_permissions": '{ok,[<<".*">>,<<".*">>,<<".*">>]}',
}


@pytest.fixture(scope="module")
def settings(secured_rabbitmq):
    """What a RabbitMQ node has for each of DEFAULTS; its tool is slow to start."""
    asked = ",".join(f"application:get_env(rabbit,{name})" for name in DEFAULTS)
    code = f'[io:format("~0p~n", [Each]) || Each <- [{asked}]], done.'
    lines = secured_rabbitmq.rabbitmqctl("eval", code).splitlines()
    return dict(zip(DEFAULTS, lines, strict=False))


@pytest.mark.parametrize("name", DEFAULTS)
def test_rabbitmq_defaults_of_security(settings, name):
    assert settings[name] == DEFAULTS[name]


def test_kafka_loads_a_new_certificate_and_connections_outlive_the_old(
    secured_kafka, admin, orders
):
    example = certificate_expires_kafka
    with KafkaProducer(**example.login(secured_kafka)) as producer:
        example.send(producer, orders)
        example.use(secured_kafka, admin, 3)
        expired = example.wait_for(secured_kafka, "certificate has expired")
        outlived = example.send(producer, orders)
        example.use(secured_kafka, admin, 86400)
        renewed = example.wait_for(secured_kafka, "connected")
    found = expired, outlived, renewed
    assert found == ("certificate has expired", "sent", "connected")


def test_rabbitmq_loads_a_new_certificate_and_connections_outlive_the_old(
    secured_rabbitmq, queue
):
    example = certificate_expires_rabbitmq
    with example.connect(secured_rabbitmq) as old:
        example.use(secured_rabbitmq, -60)
        expired = example.wait_for(secured_rabbitmq, "certificate has expired")
        outlived = example.send(old, queue)
        example.use(secured_rabbitmq, 86400)
        renewed = example.wait_for(secured_rabbitmq, "connected")
    found = expired, outlived, renewed
    assert found == ("certificate has expired", "sent", "connected")


@pytest.fixture(scope="module")
def certified():
    """A Kafka node of its own, for tests that leave it with other certificates."""
    with secured("kafka") as broker:
        yield broker


@pytest.fixture(scope="module")
def root(certified):
    """Its administrator, who shows a certificate of the broker."""
    with KafkaAdminClient(
        bootstrap_servers=certified.mutual,
        security_protocol="SSL",
        ssl_cafile=certified.ca,
        ssl_certfile=certified.keystore,
        ssl_keyfile=str(certified.folder / "broker.key"),
    ) as root:
        yield root


@pytest.fixture
def offer(certified, root, tmp_path):
    """A function that offers it a certificate for one of its listeners."""

    def offer(listener, days=1, authority=certified.authority, name="broker"):
        authority.issue(tmp_path, name, datetime.timedelta(days=days))
        return set_keystore(root, listener, tmp_path / f"{name}.pem")

    return offer


def set_keystore(admin, listener, path):
    """Have a listener use that file; return the broker's answer."""
    place = {f"listener.name.{listener}.ssl.keystore.location": str(path)}
    node = ConfigResource(ConfigResourceType.BROKER, "1", place)
    return admin.alter_configs([node], raise_on_unknown=False)["broker"]["1"]


def serves(address, path):
    """Tell whether new connections are shown the certificate in that file.

    Kafka's network threads take connections in turn, and each loads it for itself.
    """
    host, _, port = address.partition(":")
    asked = range(6)
    shown = {ssl.get_server_certificate((host, int(port)), timeout=10) for _ in asked}
    return all(each.strip() in Path(path).read_text() for each in shown)


def test_kafka_loads_an_expired_certificate_for_clients(certified, offer, tmp_path):
    offer("sasl_ssl", days=-1)
    assert until(lambda: serves(certified.encrypted, tmp_path / "broker.pem"))


def test_kafka_loads_a_certificate_of_another_authority_for_clients(
    certified, offer, tmp_path
):
    offer("sasl_ssl", authority=Authority("another CA"))
    assert until(lambda: serves(certified.encrypted, tmp_path / "broker.pem"))


def test_kafka_refuses_an_expired_certificate_between_brokers(offer):
    assert "validity check failed" in offer("ssl", days=-1)


def test_kafka_refuses_a_certificate_of_another_authority_between_brokers(offer):
    answer = offer("ssl", authority=Authority("another CA"))
    assert "Validation of dynamic config update of SSLFactory failed" in answer


@pytest.mark.parametrize("listener", ["sasl_ssl", "ssl"])
def test_kafka_refuses_a_certificate_of_another_name(offer, listener):
    answer = offer(listener, name="elsewhere")
    assert "Keystore DistinguishedName does not match" in answer


def test_kafka_shows_everybody_how_long_its_certificate_is_valid(
    certified, offer, tmp_path
):
    offer("sasl_ssl", days=90)
    until(lambda: serves(certified.encrypted, tmp_path / "broker.pem"))
    example = certificate_days_left_kafka
    assert round(example.count_days_left(certified.encrypted, certified.ca)) == 90


def test_kafka_says_ok_to_an_expired_certificate_in_the_same_file_and_keeps_the_old(
    certified, root
):
    certified.replace_certificate(-1)
    answer = set_keystore(root, "ssl", certified.keystore)
    assert (answer, serves(certified.mutual, certified.keystore)) == ("OK", False)


def test_kafka_does_not_start_with_an_expired_certificate_between_brokers(certified):
    certified.replace_certificate(-1)
    (node,) = certified.broker.nodes
    node.stop()
    with pytest.raises(BrokerError, match="ended while it started"):
        node.start()


def test_rabbitmq_shows_everybody_how_long_its_certificate_is_valid(secured_rabbitmq):
    certificate_expires_rabbitmq.use(secured_rabbitmq, 90 * 86400)
    example = certificate_days_left_rabbitmq
    asked = secured_rabbitmq.encrypted, secured_rabbitmq.ca
    assert until(lambda: round(example.count_days_left(*asked)) == 90)

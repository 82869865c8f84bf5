"""A broker of a program's own with users, TLS and access control.

What makes it so stands in examples/production/secured_kafka.properties and
secured_rabbitmq.conf.
"""

import datetime
import ipaddress
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from .kafka_node import kafka
from .process import HOST, Broker, free_ports, listening
from .rabbitmq_node import MANAGEMENT, free_port, rabbitmq, rabbitmqctl

CONFIGURATION = Path(__file__).parents[1] / "production"
PLUGINS = ("rabbitmq_management", "rabbitmq_auth_mechanism_ssl")


class Authority:
    """A certificate authority that lives as long as this run."""

    def __init__(self, name: str) -> None:
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign(name, self.key, datetime.timedelta(days=1), True)

    def _sign(self, name, key, valid, authority=False) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        start = min(now, now + valid) - datetime.timedelta(days=1)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        address = x509.IPAddress(ipaddress.ip_address(HOST))
        names = [x509.DNSName("localhost"), address]
        purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(now + valid)
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(
                    self.key.public_key()
                ),
                critical=False,
            )
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
                critical=False,
            )
            .add_extension(key_usage(authority), critical=True)
        )
        if not authority:
            builder = builder.add_extension(
                x509.SubjectAlternativeName(names), critical=False
            ).add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, folder: Path, name: str, valid: datetime.timedelta) -> None:
        """Write `name`.pem and `name`.key into `folder`, for the common name `name`.

        The certificate is valid from yesterday for `valid` from now; if that is
        negative, it has expired. `name`.pem has the key too, as Kafka wants it; only
        the owner can read either.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        certificate = self._sign(name, key, valid).public_bytes(Encoding.PEM)
        for path, content in (
            (folder / f"{name}.key", private),
            (folder / f"{name}.pem", private + certificate),
        ):
            path.touch(mode=0o600)
            path.write_bytes(content)

    def write(self, path: Path) -> None:
        """Write the authority's own certificate, which is no secret."""
        path.write_bytes(self.certificate.public_bytes(Encoding.PEM))


def key_usage(authority: bool) -> x509.KeyUsage:
    """Return what a key may do: an authority signs certificates, others sign."""
    unused = ("content_commitment", "key_encipherment", "data_encipherment")
    unused += ("key_agreement", "encipher_only", "decipher_only")
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        **dict.fromkeys(unused, False),
    )


@dataclass
class Secured:
    """What a client needs to know of a secured broker.

    `plaintext`, `encrypted` and `mutual` are `host:port`: a password without TLS, a
    password inside TLS, and a client certificate. RabbitMQ's `encrypted` and `mutual`
    are the same port, which asks for a certificate in any case. `certificate` and `key`
    belong to the client "shop", signed by `ca`; the stranger's are signed by another
    authority, in the same name. `api` is the URL of RabbitMQ's HTTP API, and
    `rabbitmqctl` runs its tool with some arguments and returns what that prints.
    """

    broker: Broker
    plaintext: str
    encrypted: str
    mutual: str
    folder: Path
    authority: Authority
    password: str
    administrator: str = "admin"
    api: str = ""
    rabbitmqctl: Callable[..., str] | None = None

    def __post_init__(self) -> None:
        self.ca = str(self.folder / "ca.pem")
        self.certificate = str(self.folder / "shop.pem")
        self.key = str(self.folder / "shop.key")
        self.keystore = str(self.folder / "broker.pem")  # Kafka reads this one.
        self.stranger_certificate = str(self.folder / "stranger" / "shop.pem")
        self.stranger_key = str(self.folder / "stranger" / "shop.key")

    def replace_certificate(self, days: float) -> None:
        """Put a new certificate in place of the broker's, valid for `days` from now.

        Less than 0 gives one that has expired. The broker goes on with what it has
        read until it reads the files again.
        """
        self.authority.issue(self.folder, "broker", datetime.timedelta(days=days))


def certificates(folder: Path) -> Authority:
    """Write an authority's, a broker's and a client's certificates into `folder`."""
    authority, stranger = Authority("the shop's CA"), Authority("another CA")
    day = datetime.timedelta(days=1)
    authority.write(folder / "ca.pem")
    authority.issue(folder, "broker", day)
    authority.issue(folder, "shop", day)
    (folder / "stranger").mkdir()
    stranger.issue(folder / "stranger", "shop", day)
    return authority


def settings(name: str) -> dict[str, str]:
    """Return the lines of a configuration file in examples/production."""
    lines = (CONFIGURATION / name).read_text().splitlines()
    pairs = (line.partition("=") for line in lines if line and line[0] != "#")
    return {key.strip(): value.strip() for key, _, value in pairs}


@contextmanager
def secured_kafka() -> Iterator[Secured]:
    """Start a Kafka node with users, TLS and ACLs, and stop it at the end."""
    with tempfile.TemporaryDirectory(prefix="tls-") as name:
        folder, password = Path(name), secrets.token_urlsafe()
        authority = certificates(folder)
        ports = free_ports(4)
        names = ["SASL_PLAINTEXT_PORT", "SASL_SSL_PORT", "SSL_PORT", "CONTROLLER_PORT"]
        env = dict(zip(names, map(str, ports), strict=True))
        env |= {"TLS_FOLDER": name, "ADMIN_PASSWORD": password}
        plaintext, encrypted, mutual = (f"{HOST}:{port}" for port in ports[:3])

        def ready() -> bool:
            """Tell whether the administrator gets in."""
            if not listening(ports[1]):
                return False
            try:
                with KafkaAdminClient(
                    bootstrap_servers=encrypted,
                    bootstrap_timeout_ms=5000,
                    request_timeout_ms=5000,
                    security_protocol="SASL_SSL",
                    ssl_cafile=str(folder / "ca.pem"),
                    sasl_mechanism="PLAIN",
                    sasl_plain_username="admin",
                    sasl_plain_password=password,
                ) as admin:
                    return bool(admin.describe_cluster()["brokers"])
            except KafkaError:
                return False

        values = settings("secured_kafka.properties")
        with kafka(settings=values, env=env, ready=ready) as broker:
            yield Secured(
                broker, plaintext, encrypted, mutual, folder, authority, password
            )


@contextmanager
def secured_rabbitmq() -> Iterator[Secured]:
    """Start a RabbitMQ node with users and TLS, and stop it at the end."""
    with tempfile.TemporaryDirectory(prefix="tls-") as name:
        folder, password = Path(name), secrets.token_urlsafe()
        authority = certificates(folder)
        port, (tls,) = free_port(1), free_ports(1)
        env = {"AMQP_PORT": str(port), "AMQPS_PORT": str(tls)}
        env |= {"TLS_FOLDER": name, "ADMIN_PASSWORD": password}
        values = settings("secured_rabbitmq.conf")
        with rabbitmq(port=port, plugins=PLUGINS, settings=values, env=env) as broker:
            node, answers = broker.nodes[0], broker.nodes[0].ready
            doors = tls, port + MANAGEMENT  # They open a little later.
            node.ready = lambda: answers() and all(map(listening, doors))
            node.wait()
            yield Secured(
                broker,
                f"{HOST}:{port}",
                f"{HOST}:{tls}",
                f"{HOST}:{tls}",
                folder,
                authority,
                password,
                api=f"http://{HOST}:{port + MANAGEMENT}/api",
                rabbitmqctl=partial(rabbitmqctl, node),
            )


def secured(kind: str) -> AbstractContextManager[Secured]:
    """Start a secured node of "kafka" or "rabbitmq"; see Secured for what it yields."""
    return {"kafka": secured_kafka, "rabbitmq": secured_rabbitmq}[kind]()

"""Without TLS, whoever carries the bytes reads the user, the password and the order.

Watch what is found in the bytes between the client and the broker, three times.
"""

import socket
import threading
from contextlib import suppress

from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import UserScramCredentialUpsertion

CARD = b"order 1: a lamp, paid with card 4000-1234"


def carry(source, target, seen):
    """Pass on what `source` sends, and keep a copy in `seen`."""
    with suppress(OSError):  # Either end may be gone first.
        while data := source.recv(65536):
            seen.append(data)
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def listen(server, seen):
    """Be the network: carry every connection to where the client wants it."""
    while True:
        client, _ = server.accept()
        wish = client.recv(4096).split()  # CONNECT host:port HTTP/1.1 …
        host, _, port = wish[1].decode().partition(":")
        broker = socket.create_connection((host, int(port)))
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for way in ((client, broker), (broker, client)):
            threading.Thread(target=carry, args=(*way, seen), daemon=True).start()


def send(topic, **how):
    """Send an order; return all bytes that went over the network."""
    seen = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=listen, args=(server, seen), daemon=True).start()
        network = f"http://127.0.0.1:{server.getsockname()[1]}"
        with KafkaProducer(proxy_url=network, **how) as producer:
            producer.send(topic, CARD).get(timeout=30)
    return b"".join(seen)


def report(secured, what, seen):
    """Print which of the secrets stand in the bytes."""
    secrets = {
        "the user's name": secured.administrator.encode(),
        "the password": secured.password.encode(),
        "the order": CARD,
    }
    found = [name for name, secret in secrets.items() if secret in seen]
    print(f"{what}: {', '.join(found) or 'nothing'} can be read")


def main(secured, topic="orders"):
    user, password = secured.administrator, secured.password
    login = {"sasl_plain_username": user, "sasl_plain_password": password}
    plain = {"sasl_mechanism": "PLAIN", **login}
    scram = {"sasl_mechanism": "SCRAM-SHA-512", **login}
    bare = {"bootstrap_servers": secured.plaintext}
    bare |= {"security_protocol": "SASL_PLAINTEXT"}
    tls = {"bootstrap_servers": secured.encrypted, "ssl_cafile": secured.ca}
    tls |= {"security_protocol": "SASL_SSL"}
    with KafkaAdminClient(**tls, **plain) as admin:
        wish = UserScramCredentialUpsertion(user, "SCRAM-SHA-512", password)
        admin.alter_user_scram_credentials([wish])
    report(secured, "PLAIN without TLS", send(topic, **bare, **plain))
    report(secured, "SCRAM without TLS", send(topic, **bare, **scram))
    report(secured, "PLAIN inside TLS", send(topic, **tls, **plain))

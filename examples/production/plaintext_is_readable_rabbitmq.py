"""Without TLS, whoever carries the bytes reads the user, the password and the order.

Watch what is found in the bytes between the client and the broker: all, then nothing.
"""

import socket
import ssl
import threading
from contextlib import suppress

import pika

CARD = b"order 1: a lamp, paid with card 4000-1234"


def carry(source, target, seen):
    """Pass on what `source` sends, and keep a copy in `seen`."""
    with suppress(OSError):  # Either end may be gone first.
        while data := source.recv(65536):
            seen.append(data)
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def listen(server, address, seen):
    """Be the network: carry the connection to the broker at `address`."""
    client, _ = server.accept()
    host, _, port = address.partition(":")
    broker = socket.create_connection((host, int(port)))
    for way in ((client, broker), (broker, client)):
        threading.Thread(target=carry, args=(*way, seen), daemon=True).start()


def send(secured, queue, address, tls=None):
    """Send an order to `address`; return all bytes that went over the network."""
    seen = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        network = threading.Thread(target=listen, args=(server, address, seen))
        network.start()
        login = pika.PlainCredentials(secured.administrator, secured.password)
        options = tls and pika.SSLOptions(tls, "localhost")
        where = pika.ConnectionParameters(
            *server.getsockname(), credentials=login, ssl_options=options
        )
        with pika.BlockingConnection(where) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.queue_declare(queue, durable=True)
            channel.basic_publish("", queue, CARD)
        network.join(30)
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


def main(secured, queue="orders"):
    seen = send(secured, queue, secured.plaintext)
    report(secured, "PLAIN without TLS", seen)
    tls = ssl.create_default_context(cafile=secured.ca)
    tls.load_cert_chain(secured.certificate, secured.key)
    seen = send(secured, queue, secured.encrypted, tls)
    report(secured, "PLAIN inside TLS", seen)

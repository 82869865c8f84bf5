"""The client shows a certificate instead of a password, and its subject is its name.

Watch the stranger: the same name in a certificate of another authority opens nothing.
"""

import base64
import json
import re
import ssl
import urllib.request

import pika
from pika.credentials import ExternalCredentials
from pika.exceptions import IncompatibleProtocolError, ProbableAuthenticationError


def put(secured, path, body):
    """Make something with the HTTP API, as the administrator."""
    name = f"{secured.administrator}:{secured.password}".encode()
    headers = {"Authorization": f"Basic {base64.b64encode(name).decode()}"}
    data = json.dumps(body).encode()
    request = urllib.request.Request(f"{secured.api}{path}", data, headers)
    request.method = "PUT"
    urllib.request.urlopen(request, timeout=10).close()


def make_user(secured, user):
    """Make a user without a password, who may do all in the virtual host."""
    put(secured, f"/users/{user}", {"password_hash": "", "tags": ""})
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    put(secured, f"/permissions/%2F/{user}", everything)


def send(secured, queue, certificate=None, key=None):
    """Send an order with a client certificate, or none; return what comes of it."""
    tls = ssl.create_default_context(cafile=secured.ca)
    if certificate:
        tls.load_cert_chain(certificate, key)
    host, _, port = secured.mutual.partition(":")
    where = pika.ConnectionParameters(
        host,
        int(port),
        credentials=ExternalCredentials(),
        ssl_options=pika.SSLOptions(tls, host),
    )
    try:
        with pika.BlockingConnection(where) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.queue_declare(queue, durable=True)
            channel.basic_publish("", queue, b"order 1: a lamp")
            return "sent"
    except (IncompatibleProtocolError, ProbableAuthenticationError) as error:
        reason = re.search(r"\w+_ALERT_\w+|ACCESS_REFUSED", str(error))
        return f"{type(error).__name__} {reason.group()}"


def main(secured, queue="orders"):
    ours = secured.certificate, secured.key
    strangers = secured.stranger_certificate, secured.stranger_key
    make_user(secured, "warehouse")
    print("a certificate, and a user warehouse:", send(secured, queue, *ours))
    make_user(secured, "shop")
    print("a certificate, and a user shop:", send(secured, queue, *ours))
    print("no certificate:", send(secured, queue))
    print("a certificate of another authority:", send(secured, queue, *strangers))

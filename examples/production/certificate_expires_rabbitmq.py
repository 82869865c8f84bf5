"""The broker's certificate expires: who is connected stays, and nobody else gets in.

Watch the new certificate: it is a new file, and the broker is not restarted for it.
"""

import ssl
import time

import pika


def connect(secured):
    """Return a connection through TLS."""
    tls = ssl.create_default_context(cafile=secured.ca)
    tls.load_cert_chain(secured.certificate, secured.key)
    host, _, port = secured.encrypted.partition(":")
    return pika.BlockingConnection(
        pika.ConnectionParameters(
            host,
            int(port),
            credentials=pika.PlainCredentials(secured.administrator, secured.password),
            ssl_options=pika.SSLOptions(tls, host),
        )
    )


def send(connection, queue):
    """Send an order, and wait for the broker's confirm."""
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare(queue, durable=True)
    channel.basic_publish("", queue, b"order 1: a lamp")
    return "sent"


def get_in(secured):
    """Try to connect, and return what comes of it."""
    try:
        connect(secured).close()
        return "connected"
    except ssl.SSLCertVerificationError as error:
        return error.verify_message


def wait_for(secured, outcome):
    """Try to connect until it comes out like that; return how the last try did."""
    deadline = time.monotonic() + 30
    while (found := get_in(secured)) != outcome and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def use(secured, seconds):
    """Give the broker a certificate that is valid for so long, and have it read."""
    secured.replace_certificate(seconds / 86400)
    secured.rabbitmqctl("eval", "ssl:clear_pem_cache().")


def main(secured, queue="orders"):
    use(secured, 10)
    with connect(secured) as old:
        print("a connection, and then the certificate expires")
        print("a new client:", wait_for(secured, "certificate has expired"))
        print("on the connection from before:", send(old, queue))
        use(secured, 86400)
        print("a new certificate is in its place")
        print("a new client:", wait_for(secured, "connected"))
        print("on the connection from before:", send(old, queue))

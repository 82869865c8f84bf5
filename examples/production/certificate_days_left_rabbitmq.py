"""The broker shows its certificate to whoever connects, and so its last day too.

Watch what it takes: no password, no file of the broker, and one handshake.
"""

import socket
import ssl
import time


def count_days_left(address, ca):
    """Return for how many days the certificate at `address` is still valid."""
    tls = ssl.create_default_context(cafile=ca)
    host, _, port = address.partition(":")
    with (
        socket.create_connection((host, int(port)), timeout=10) as connection,
        tls.wrap_socket(connection, server_hostname=host) as encrypted,
    ):
        last = encrypted.getpeercert()["notAfter"]
    return (ssl.cert_time_to_seconds(last) - time.time()) / 86400


def main(secured, least=21):
    left = count_days_left(secured.encrypted, secured.ca)
    verdict = "renew it now" if left < least else "fine"
    print(f"the certificate is valid for another {left:.0f} day: {verdict}")

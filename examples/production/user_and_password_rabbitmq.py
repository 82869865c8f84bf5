"""A user is made while the broker runs, and the broker keeps a hash of its password.

Watch the right password: without a permission in the virtual host it opens nothing.
"""

import base64
import hashlib
import json
import urllib.request

import pika
from pika.exceptions import ProbableAccessDeniedError, ProbableAuthenticationError


def ask(secured, method, path, body=None):
    """Ask the HTTP API, as the administrator, and return its answer."""
    name = f"{secured.administrator}:{secured.password}".encode()
    headers = {"Authorization": f"Basic {base64.b64encode(name).decode()}"}
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(f"{secured.api}{path}", data, headers)
    request.method = method
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read() or "null")


def get_in(secured, user, password):
    """Log in and return what comes of it."""
    host, _, port = secured.plaintext.partition(":")
    login = pika.PlainCredentials(user, password)
    try:
        where = pika.ConnectionParameters(host, int(port), credentials=login)
        pika.BlockingConnection(where).close()
        return "logged in"
    except (ProbableAuthenticationError, ProbableAccessDeniedError) as error:
        return str(error).partition(": ")[2].partition(". For")[0]


def is_hash(stored, password):
    """Tell whether `stored` is a salt and the SHA-256 of that salt and the password."""
    salt, digest = stored[:4], stored[4:]
    return digest == hashlib.sha256(salt + password.encode()).digest()


def main(secured, user="shop"):
    ask(secured, "PUT", f"/users/{user}", {"password": "a lamp", "tags": ""})
    known = ask(secured, "GET", f"/users/{user}")
    stored = base64.b64decode(known["password_hash"])
    print(f"the broker keeps: {known['hashing_algorithm']}, {len(stored)} bytes")
    print(f"4 bytes of salt, and a hash of both: {is_hash(stored, 'a lamp')}")
    print("wrong password:", get_in(secured, user, "a chair"))
    print("right password:", get_in(secured, user, "a lamp"))
    nothing = {"configure": "", "write": "", "read": ""}
    ask(secured, "PUT", f"/permissions/%2F/{user}", nothing)
    print("and with a permission:", get_in(secured, user, "a lamp"))

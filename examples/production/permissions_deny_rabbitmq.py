"""Without a permission nothing is allowed, and the refusal names the one that lacks.

Watch the operations that need more than one, on the queue and on the exchange.
"""

import base64
import json
import re
import urllib.request

import pika
from pika.exceptions import ChannelClosedByBroker, ProbableAccessDeniedError


def publish(channel, key="eu.new"):
    channel.basic_publish("shop", key, b"lamp")


DEAD = {"durable": True, "arguments": {"x-dead-letter-exchange": "dead"}}
ELSE = {"exchange_type": "topic", "arguments": {"alternate-exchange": "dead"}}
OPERATIONS = {
    "declare a queue": lambda it: it.queue_declare("orders", durable=True),
    "and with dead lettering": lambda it: it.queue_declare("orders-2", **DEAD),
    "declare an exchange": lambda it: it.exchange_declare("shop", "topic"),
    "and with an alternate": lambda it: it.exchange_declare("shop-2", **ELSE),
    "bind a queue": lambda it: it.queue_bind("orders", "shop", "#"),
    "publish to an exchange": publish,
    "publish to a queue": lambda it: it.basic_publish("", "orders", b"lamp"),
    "consume": lambda it: it.basic_consume("orders", print),
    "purge a queue": lambda it: it.queue_purge("orders"),
    "delete a queue": lambda it: it.queue_delete("orders"),
}


def put(secured, path, **body):
    """Make something with the HTTP API, as the administrator."""
    name = f"{secured.administrator}:{secured.password}".encode()
    headers = {"Authorization": f"Basic {base64.b64encode(name).decode()}"}
    url, data = f"{secured.api}{path}", json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method="PUT")
    urllib.request.urlopen(request, timeout=10).close()


def attempt(secured, operation, *details, vhost="%2F"):
    """Do it as the user shop; return the reason if the broker refuses."""
    where = pika.URLParameters(f"amqp://shop:pw@{secured.plaintext}/{vhost}")
    try:
        with pika.BlockingConnection(where) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            operation(channel, *details)
    except (ChannelClosedByBroker, ProbableAccessDeniedError) as error:
        return str(error)


def find_needed(secured, operation):
    """Give the user what the refusals ask for, and nothing else; return the list."""
    needed, rights = [], {"configure": [], "write": [], "read": []}
    while True:
        regexes = {right: f"^({'|'.join(of)})$" for right, of in rights.items()}
        put(secured, "/permissions/%2F/shop", **regexes)
        if not (refusal := attempt(secured, operation)):
            return needed
        lack = re.search(r"(\w+) access to (\w+) '(.+?)'", refusal)
        right, kind, name = lack.groups()
        rights[right].append(name)
        needed.append(f"{right} {kind} {name}")


def main(secured):
    put(secured, "/users/shop", password="pw", tags="")
    for name, operation in OPERATIONS.items():
        print(f"{name}: {', '.join(find_needed(secured, operation))}")
    put(secured, "/permissions/%2F/shop", configure="", write=".*", read="")
    put(secured, "/topic-permissions/%2F/shop", exchange="shop", write="^eu", read="")
    for key in ("eu.new", "us.new"):
        refusal = attempt(secured, publish, key)
        print(f"publish with the key {key}: {refusal or 'done'}")
    put(secured, "/vhosts/billing")
    print("in another virtual host:", attempt(secured, publish, vhost="billing"))

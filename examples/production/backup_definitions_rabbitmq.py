"""The definitions of a broker go into an empty one: everything but the messages.

Watch the user: the old password works, though the backup holds only its hash.
"""

import json
from base64 import b64encode
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pika


def ask(api, method, path, body=None):
    """Return the answer of the HTTP API, whose URL has the user before its @."""
    user, _, host = api.removeprefix("http://").rpartition("@")
    basic = b64encode(user.encode()).decode()
    headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/json"}
    data = json.dumps(body).encode() if body else None
    request = Request(f"http://{host}/api/{path}", data, headers, method=method)
    with urlopen(request, timeout=30) as answer:
        return json.loads(answer.read() or "null")


def furnish(api, url):
    """Make a user, a policy, an exchange with a bound queue, and three orders in it."""
    ask(api, "PUT", "users/shop", {"password": "lamp", "tags": ""})
    rights = dict.fromkeys(("configure", "write", "read"), ".*")
    ask(api, "PUT", "permissions/%2F/shop", rights)
    limit = {"pattern": "^orders$", "definition": {"max-length": 1000}}
    ask(api, "PUT", "policies/%2F/limit", {**limit, "apply-to": "queues"})
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.exchange_declare("shop", "topic", durable=True)
        quorum = {"x-queue-type": "quorum"}
        channel.queue_declare("orders", durable=True, arguments=quorum)
        channel.queue_bind("orders", "shop", "order.*")
        for number in range(1, 4):
            channel.basic_publish("shop", "order.placed", str(number).encode())


def names(api, what):
    """Return the names of what there is of a kind, without those of RabbitMQ itself."""
    found = [each["name"] for each in ask(api, "GET", what)]
    return [name for name in found if name and not name.startswith("amq.")]


def log_in(url, user, password):
    """Return how many orders wait, as this user."""
    netloc = urlsplit(url).netloc.rpartition("@")[2]
    parameters = pika.URLParameters(f"amqp://{user}:{password}@{netloc}/")
    with pika.BlockingConnection(parameters) as connection:
        queue = connection.channel().queue_declare("orders", passive=True)
        return queue.method.message_count


def main(sites):
    near, far = (site.nodes[0].management for site in sites)
    furnish(near, sites.near.address)
    backup = ask(near, "GET", "definitions")
    print("of a user, the backup has:", *sorted(backup["users"][0]))
    print("orders, near:", log_in(sites.near.address, "shop", "lamp"))
    ask(far, "POST", "definitions", backup)
    for what in ("users", "policies", "exchanges", "queues"):
        print(f"{what}, far:", *names(far, what))
    bindings = ask(far, "GET", "exchanges/%2F/shop/bindings/source")
    print("bindings, far:", *[each["routing_key"] for each in bindings])
    print("orders, far:", log_in(sites.far.address, "shop", "lamp"))

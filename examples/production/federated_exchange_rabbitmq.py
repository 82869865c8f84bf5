"""A federated exchange gets from the near broker only what is bound at the far one.

Watch where order 4 waits while the far broker is down: in a queue of the near one.
"""

import json
import time
from base64 import b64encode
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


def federate(far, near, exchange, queue, key, cleanup="never"):
    """Bind a queue to far's exchange, and have that fetch from the one near."""
    api, near = far.nodes[0].management, near.rstrip("/")  # near/ is virtual host "".
    # By default an orderly stop of far deletes the queue of the link, which is near.
    link = {"uri": near, "reconnect-delay": 1, "resource-cleanup-mode": cleanup}
    ask(api, "PUT", "parameters/federation-upstream/%2F/near", {"value": link})
    policy = {"pattern": f"^{exchange}$", "apply-to": "exchanges"}
    policy["definition"] = {"federation-upstream": "near"}
    ask(api, "PUT", "policies/%2F/federate", policy)
    with pika.BlockingConnection(pika.URLParameters(far.address)) as connection:
        channel = connection.channel()
        channel.exchange_declare(exchange, "topic", durable=True)
        channel.queue_declare(queue, durable=True)
        channel.queue_bind(queue, exchange, key)


def publish(url, exchange, *keys):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.exchange_declare(exchange, "topic", durable=True)
        for key in keys:
            channel.basic_publish(exchange, key, b"lamp")


def fetched(api, exchange):
    """Wait for the link, and return the keys that it fetches from near."""
    path, deadline = f"exchanges/%2F/{exchange}/bindings/source", time.monotonic() + 40
    while not (bindings := ask(api, "GET", path)):
        if time.monotonic() > deadline:
            raise TimeoutError("The link is late.")
        time.sleep(0.1)
    return [each["routing_key"] for each in bindings]


def receive(url, queue):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        method, _, _ = next(channel.consume(queue, inactivity_timeout=20))
        channel.basic_ack(method.delivery_tag)
        return method.routing_key


def main(sites, exchange="orders"):
    near, far = sites
    publish(near.address, exchange, "eu.1")
    federate(far, near.address, exchange, "eu-orders", "eu.*")
    print("the link fetches:", *fetched(near.nodes[0].management, exchange))
    publish(near.address, exchange, "us.2", "eu.3")
    print("far:", receive(far.address, "eu-orders"))
    far.stop()
    publish(near.address, exchange, "eu.4")
    with pika.BlockingConnection(pika.URLParameters(near.address)) as connection:
        name = f"federation: {exchange} -> far"
        queue = connection.channel().queue_declare(name, passive=True).method
    print(f"near, while far is down: {queue.message_count} in '{queue.queue}'")
    far.start()
    print("far:", receive(far.address, "eu-orders"))

"""A shovel moves messages from a near broker to a far one, which may be down.

Watch the near queue while the far broker is down: the orders wait there.
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


def start_shovel(api, near, far, queue):
    """Have the near broker move what is in its queue into the far one's."""
    shovel = {
        "src-protocol": "amqp091",
        "src-uri": near.rstrip("/"),  # A / at the end would name the virtual host "".
        "src-queue": queue,
        "dest-protocol": "amqp091",
        "dest-uri": far.rstrip("/"),
        "dest-queue": queue,
        "ack-mode": "on-confirm",  # Near forgets a message when far has confirmed it.
        "reconnect-delay": 1,
    }
    ask(api, "PUT", "parameters/shovel/%2F/orders", {"value": shovel})


def declare(url, queue):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        quorum = {"x-queue-type": "quorum"}
        connection.channel().queue_declare(queue, durable=True, arguments=quorum)


def send_orders(url, queue, numbers):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for number in numbers:
            channel.basic_publish("", queue, str(number).encode())


def wait_for(url, queue, count):
    """Wait until so many messages are ready in the queue."""
    deadline = time.monotonic() + 40
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        while (ready := channel.queue_declare(queue, passive=True)) is not None:
            if ready.method.message_count == count:
                return count
            if time.monotonic() > deadline:
                raise TimeoutError(f"There are not {count} messages in {queue}.")
            time.sleep(0.1)


def main(sites, queue="orders"):
    near, far = sites.near.address, sites.far.address
    for url in (near, far):
        declare(url, queue)
    start_shovel(sites.near.nodes[0].management, near, far, queue)
    send_orders(near, queue, range(1, 6))
    print("far:", wait_for(far, queue, 5))
    sites.far.stop()
    send_orders(near, queue, range(6, 11))
    print("near, while far is down:", wait_for(near, queue, 5))
    sites.far.start()
    print("far, when it is back:", wait_for(far, queue, 10))
    print("near:", wait_for(near, queue, 0))

"""An order that kills its consumer comes first again, and its lane stands still.

Watch the orders behind it: no restart gets to them, and nothing says how often it came.
"""

import signal
import sys
from multiprocessing import get_context
from uuid import uuid4

import pika


def send_orders(url, queue, arguments=None):
    """Send six orders to a queue, which is a classic one if nothing else is said."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True, arguments=arguments)
        for number in range(1, 7):
            channel.basic_publish("", queue, str(number).encode())


def work(url, queue, began):
    """Handle each order, then acknowledge it, until order 6 is done."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)
        for method, _, body in channel.consume(queue, inactivity_timeout=20):
            number = int(body)
            began.put(number)
            if number == 3:
                signal.raise_signal(signal.SIGKILL)  # As if memory ran out.
            channel.basic_ack(method.delivery_tag)
            if number == 6:
                break


def run(number, *arguments):
    """Run a worker in a process of its own; print what it began and how it ended."""
    spawn = get_context("spawn")
    began = spawn.SimpleQueue()
    process = spawn.Process(target=work, args=(*arguments, began))
    process.start()
    process.join(60)
    orders = [began.get() for _ in iter(began.empty, True)]
    print(f"worker {number} began {orders}, exit code {process.exitcode}")


def main(url="amqp://guest:guest@localhost:5672/", queue=f"orders-{uuid4().hex[:8]}"):
    send_orders(url, queue)
    for number in range(1, 5):
        run(number, url, queue)
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        method, properties, body = next(channel.consume(queue, inactivity_timeout=20))
        print(f"the next one would begin with order {int(body)}")
        print(f"redelivered: {method.redelivered}, headers: {properties.headers}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A quorum queue counts the deaths of its consumers, and sets aside what caused three.

Watch worker 4: it does not get order 3 any more, and goes on to the others.
"""

import signal
import sys
from multiprocessing import get_context
from uuid import uuid4

import pika


def send_orders(url, queue):
    """Send six orders to a queue that gives an order up after three deliveries."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        arguments = {"x-queue-type": "quorum"}
        channel.queue_declare(f"{queue}-dead", durable=True, arguments=arguments)
        arguments["x-delivery-limit"] = 2  # How many may follow the first delivery.
        arguments["x-dead-letter-exchange"] = ""
        arguments["x-dead-letter-routing-key"] = f"{queue}-dead"
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
        letter = next(channel.consume(f"{queue}-dead", inactivity_timeout=10))
        print(f"dead letter: order {int(letter[2])}")
        for name in ("x-first-death-reason", "x-delivery-count"):
            print(f"  {name}: {letter[1].headers[name]}")


if __name__ == "__main__":
    main(*sys.argv[1:])

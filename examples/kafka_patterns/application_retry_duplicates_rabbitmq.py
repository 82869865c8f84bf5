"""The program repeats an order after a time-out, and the queue does not notice.

Watch the queue: the first attempt was not lost, only its confirm was late.
"""

from concurrent.futures import ThreadPoolExecutor

import pika


def connect(url, queue):
    channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
    channel.confirm_delivery()
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    return channel


def send_order(threads, channel, queue, order):
    """Wait five seconds for the confirm; return how the attempt ended."""
    # Pika's publish waits without a limit, so the program waits for it in a thread.
    confirm = threads.submit(channel.basic_publish, "", queue, order.encode())
    try:
        confirm.result(timeout=5)
        return "confirmed"
    except TimeoutError:
        return "no answer in time"


def receive(channel, queue):
    """Return every order in the queue, until none has come for two seconds."""
    orders = []
    for method, _, body in channel.consume(queue, inactivity_timeout=2):
        if method is None:
            return orders
        channel.basic_ack(method.delivery_tag)
        orders.append(body.decode())


def main(broker, queue="orders"):
    with ThreadPoolExecutor() as threads:
        first = connect(broker.address, queue)
        print(f"order 1: {send_order(threads, first, queue, 'order 1')}")
        broker.pause()
        print(f"order 2, attempt 1: {send_order(threads, first, queue, 'order 2')}")
        broker.resume()
        second = connect(broker.address, queue)
        print(f"order 2, attempt 2: {send_order(threads, second, queue, 'order 2')}")
        print(f"received: {receive(second, queue)}")
    for channel in (first, second):
        channel.connection.close()

"""Send numbered orders to a queue of RabbitMQ, note their confirms, and read them."""

import time
from itertools import count

import pika

END = object()


def declare(url, queue, kind, **arguments):
    """Declare a durable queue of this type; the node that is asked leads it.

    `arguments` are those of the queue, with _ instead of - and without their x-.
    """
    settings = {f"x-{name.replace('_', '-')}": arguments[name] for name in arguments}
    settings["x-queue-type"] = kind
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        connection.channel().queue_declare(queue, durable=True, arguments=settings)


def noted(sent, going=None):
    """Yield the next numbers and note in the list `sent` what was taken.

    It goes on without end, or until the event `going` is cleared.
    """
    while going is None or going.is_set():
        sent.append(len(sent))
        yield sent[-1]


def publish(
    url, queue, numbers, confirmed, refused, pause=0.0, window=1000, patience=60.0
):
    """Send the numbers as persistent messages; return when each of them is answered.

    The time of each confirm goes into the dictionary `confirmed`, and the numbers that
    the broker refused into the list `refused`, as they come. `pause` is the seconds
    between two messages, and at most `window` wait for an answer. None among the
    numbers means that there is no order at this moment. It gives up when the connection
    is lost, or closes it when it has waited for an answer for `patience` seconds.
    """
    source, tags, unanswered = iter(numbers), count(1), {}
    state = {"all sent": False, "waiting since": time.monotonic()}
    keep = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)

    def opened(channel):
        channel.confirm_delivery(answered, lambda _: send(channel))

    def send(channel):
        while channel.is_open and len(unanswered) < window:
            number = next(source, END)
            if number is END:
                state["all sent"] = True
                return
            if number is None:
                break
            if not unanswered:
                state["waiting since"] = time.monotonic()
            unanswered[next(tags)] = number
            channel.basic_publish("", queue, str(number).encode(), keep)
            if pause:
                break
        connection.ioloop.call_later(pause or 0.001, lambda: send(channel))

    def answered(frame):
        now = state["waiting since"] = time.monotonic()
        answer = frame.method
        answered_tags = [answer.delivery_tag]
        if answer.multiple:
            answered_tags = [tag for tag in unanswered if tag <= answer.delivery_tag]
        for tag in answered_tags:
            number = unanswered.pop(tag)
            if isinstance(answer, pika.spec.Basic.Ack):
                confirmed[number] = now
            else:
                refused.append(number)

    def watch():
        patient = time.monotonic() < state["waiting since"] + patience
        if (unanswered and patient) or not (unanswered or state["all sent"]):
            connection.ioloop.call_later(0.01, watch)
        elif connection.is_open:
            connection.close()
            connection.ioloop.call_later(10, connection.ioloop.stop)
        else:
            connection.ioloop.stop()

    connection = pika.SelectConnection(
        pika.URLParameters(url),
        on_open_callback=lambda _: connection.channel(on_open_callback=opened),
        on_open_error_callback=lambda *_: connection.ioloop.stop(),
        on_close_callback=lambda *_: connection.ioloop.stop(),
    )
    connection.ioloop.call_later(0, watch)
    connection.ioloop.start()
    connection.ioloop.close()


def wait_for(confirmed, least):
    """Wait until `least` orders are confirmed."""
    deadline = time.monotonic() + 60
    while len(confirmed) < least:
        if time.monotonic() > deadline:
            raise TimeoutError("The orders are not confirmed.")
        time.sleep(0.01)


def read(url, queue, arguments=None):
    """Return the number of each order, in order, until none has come for two seconds.

    They are acknowledged. `arguments` are those of the consumer.
    """
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=500)
        numbers = []
        for method, _, body in channel.consume(
            queue, arguments=arguments, inactivity_timeout=2
        ):
            if method is None:
                return numbers
            channel.basic_ack(method.delivery_tag)
            numbers.append(int(body))

"""Try a failing order again after a while, three times in all, then set it aside.

`declare(channel, queue)` declares three durable queues: `queue` for the work,
`{queue}-retry`, which nobody consumes and whose messages go back to `queue` after 0.3
seconds, and `{queue}-dead`. `work(channel, queue, handle)` calls `handle(order)` with
the text of each order, until two seconds pass without one. If that raises an error the
order waits in `{queue}-retry`, and after its third try it goes to `{queue}-dead`, as a
persistent message with the headers `attempts`, a number, and `reason`, the text of the
error. No order is lost, wherever a worker dies, and if a queue refuses it.
"""

import pika

TRIES = 3
DELAY = 300  # Milliseconds.


def declare(channel, queue):
    """Declare the queue of the work, that of the delay and that of the dead letters."""
    quorum = {"x-queue-type": "quorum"}
    channel.queue_declare(queue, durable=True, arguments=quorum)
    channel.queue_declare(f"{queue}-dead", durable=True, arguments=quorum)
    back = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue}
    delay = quorum | back | {"x-message-ttl": DELAY}
    channel.queue_declare(f"{queue}-retry", durable=True, arguments=delay)


def put_off(channel, queue, properties, body, error):
    """Send an order to wait for its next try, or after the last one to the dead."""
    attempts = (properties.headers or {}).get("attempts", 0) + 1
    target = f"{queue}-retry" if attempts < TRIES else f"{queue}-dead"
    headers = {"attempts": attempts, "reason": str(error)}
    properties = pika.BasicProperties(headers=headers, delivery_mode=2)
    channel.basic_publish("", target, body, properties)


def work(channel, queue, handle):
    """Handle orders until two seconds pass without one; put off what fails."""
    channel.confirm_delivery()
    for method, properties, body in channel.consume(queue, inactivity_timeout=2):
        if method is None:
            return
        try:
            handle(body.decode())
        except Exception as error:
            put_off(channel, queue, properties, body, error)
        # Only now: the order is done, or another queue has confirmed that it has it.
        channel.basic_ack(method.delivery_tag)

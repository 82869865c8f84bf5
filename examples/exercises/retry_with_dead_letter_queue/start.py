"""Try a failing order again after a while, three times in all, then set it aside.

`declare(channel, queue)` declares three durable queues: `queue` for the work,
`{queue}-retry`, which nobody consumes and whose messages go back to `queue` after 0.3
seconds, and `{queue}-dead`. `work(channel, queue, handle)` calls `handle(order)` with
the text of each order, until two seconds pass without one. If that raises an error the
order waits in `{queue}-retry`, and after its third try it goes to `{queue}-dead`, as a
persistent message with the headers `attempts`, a number, and `reason`, the text of the
error. No order is lost, wherever a worker dies, and if a queue refuses it.
"""


def declare(channel, queue):
    """Declare the queue of the work, that of the delay and that of the dead letters."""
    quorum = {"x-queue-type": "quorum"}
    channel.queue_declare(queue, durable=True, arguments=quorum)
    channel.queue_declare(f"{queue}-dead", durable=True, arguments=quorum)
    # Finish this: what waits in this queue must come back to the other in 0.3 seconds.
    channel.queue_declare(f"{queue}-retry", durable=True, arguments=quorum)


def work(channel, queue, handle):
    """Handle orders until two seconds pass without one; put off what fails."""
    for method, _, body in channel.consume(queue, inactivity_timeout=2):
        if method is None:
            return
        try:
            handle(body.decode())
        except Exception:
            # Finish this: count the tries, and send the order where it belongs.
            channel.basic_reject(method.delivery_tag, requeue=False)
        else:
            channel.basic_ack(method.delivery_tag)

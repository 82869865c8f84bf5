"""Ask a service a question over a queue, and wait for the answer, but not for ever.

`call(channel, queue, replies, question, seconds)` publishes the question, a text, to
the service's `queue`. The service answers to the queue that the request names, with the
request's correlation id. `replies` is such a queue: it is there, and all calls on this
channel use it. `call` returns the text of the answer, or None when `seconds` have
passed without one. An answer to an earlier call may still come, even to one with the
same question, and is dropped. A request that nobody waits for any more is to expire in
the queue.
"""

import pika


def call(channel, queue, replies, question, seconds):
    """Return the answer to a question, or None if it does not come in time."""
    # Finish this: say where the answer goes, which it is, and how long it is wanted.
    properties = pika.BasicProperties()
    channel.basic_publish("", queue, question.encode(), properties)
    # Finish this: return the answer to this question and no other, until the deadline.
    answers = channel.consume(replies, auto_ack=True, inactivity_timeout=seconds)
    _, _, answer = next(answers)
    return answer and answer.decode()

"""Play a service that answers at once, too late, and with what was not asked for."""

import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread

import pika
from exercises import Fault
from pika.exceptions import AMQPError

STARTS_WITH = (
    "The request has no `reply_to`: the service has worked out the answer, and does "
    "not know where to send it."
)
PATIENCE = 10  # Seconds.


def check(work, url, queue):
    """Raise Fault unless each call gets its own answer or, in time, none."""
    with (
        pika.BlockingConnection(pika.URLParameters(url)) as connection,
        Caller(work, url, queue) as caller,
    ):
        channel = connection.channel()
        channel.confirm_delivery()
        declare(channel, queue)
        check_answered(channel, queue, caller)
        check_late(channel, queue, caller)
        check_strangers(channel, queue, caller)


def declare(channel, queue):
    """Declare the service's queue, and one for the requests that have expired in it."""
    quorum = {"x-queue-type": "quorum"}
    late = f"{queue}-expired"
    dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": late}
    channel.queue_declare(late, durable=True, arguments=quorum)
    channel.queue_declare(queue, durable=True, arguments=quorum | dead)


class Caller:
    """Calls the reader's function in a thread, one question after the other."""

    def __init__(self, work, url, queue):
        self.work, self.url, self.queue = work, url, queue
        self.questions, self.results = SimpleQueue(), SimpleQueue()
        self.error = None

    def __enter__(self):
        # A call that does not end must not keep the program from ending.
        Thread(target=self.run, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.questions.put(None)

    def run(self):
        with (
            suppress(AMQPError),
            pika.BlockingConnection(pika.URLParameters(self.url)) as connection,
        ):
            channel, replies = connection.channel(), f"{self.queue}-replies"
            channel.queue_declare(replies, exclusive=True)
            for question, seconds in iter(self.questions.get, None):
                begun = time.monotonic()
                try:
                    arguments = (self.queue, replies, question, seconds)
                    answer = self.work.call(channel, *arguments)
                except Exception as error:
                    answer = self.error = error
                self.results.put((answer, time.monotonic() - begun))

    def ask(self, question, seconds):
        """Begin a call; its result is for `end`."""
        self.questions.put((question, seconds))

    def end(self):
        """Return the answer of a call, and the seconds that it took."""
        try:
            answer, took = self.results.get(timeout=PATIENCE)
        except Empty:
            raise Fault(
                f"A call has not ended after {PATIENCE} seconds, and its deadline has "
                "long passed: the caller waits as long as the service is down."
            ) from None
        if isinstance(answer, Exception):
            raise answer
        return answer, took


def take(channel, queue, caller):
    """Take the next request, expired or not; return its properties and its text."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and not caller.error:
        method, asked, body = channel.basic_get(queue, auto_ack=True)
        if method:
            return asked, body.decode()
        method, asked, body = channel.basic_get(f"{queue}-expired", auto_ack=True)
        if method:
            asked.expiration = asked.headers["x-death"][0]["original-expiration"]
            return asked, body.decode()
        time.sleep(0.02)
    raise caller.error or Fault("No request has come to the service's queue.")


def reply(channel, asked, answer):
    properties = pika.BasicProperties(correlation_id=asked.correlation_id)
    channel.basic_publish("", asked.reply_to, answer.encode(), properties)


def check_answered(channel, queue, caller):
    """Answer a question at once."""
    caller.ask("a table", 5)
    asked, question = take(channel, queue, caller)
    if not asked.reply_to:
        raise Fault(STARTS_WITH)
    if asked.reply_to != f"{queue}-replies":
        raise Fault(
            "The request wants its answer in another queue than `replies`, which is "
            "there for the answers to all calls."
        )
    if not asked.correlation_id:
        raise Fault(
            "The request has no `correlation_id`: when two answers come, nobody can "
            "say which of them answers it."
        )
    if question != "a table":
        raise Fault(f"The question was 'a table', and the service got '{question}'.")
    if not asked.expiration:
        raise Fault(
            "The request never expires: a service that comes back after an hour works "
            "off the questions of callers that have left."
        )
    if int(asked.expiration) < 2500:
        raise Fault(
            "The caller waits for 5 seconds, and the request expires after "
            f"{asked.expiration} milliseconds, before the service has taken it: "
            "`expiration` is a text, and it counts milliseconds."
        )
    if int(asked.expiration) > 5000:
        raise Fault(
            f"The caller waits for 5 seconds, and the request expires after "
            f"{asked.expiration} milliseconds: the service would work for a caller "
            "that has left."
        )
    reply(channel, asked, "80")
    answer, _ = caller.end()
    if answer != "80":
        raise Fault(
            f"The service answered '80' at once, and `call` returned {answer!r}."
        )


def check_late(channel, queue, caller):
    """Answer a question when its deadline has passed and it is asked again."""
    caller.ask("a lamp", 1)
    lamp, _ = take(channel, queue, caller)
    answer, took = caller.end()
    if answer is not None:
        raise Fault(
            f"Nobody had answered the question, and `call` returned {answer!r} "
            "instead of None."
        )
    if took < 0.9:
        raise Fault(
            f"The deadline was 1 second, and `call` gave up after {took:.2f}: an "
            "answer could still have come."
        )
    reply(channel, lamp, "20")
    caller.ask("a lamp", 5)
    again, _ = take(channel, queue, caller)
    if again.correlation_id == lamp.correlation_id:
        raise Fault(
            "Two calls asked the same question, and their requests have the same "
            "`correlation_id`: when the answer to the first comes late, the second "
            "takes it for its own, and it may have changed since."
        )
    reply(channel, again, "24")
    answer, _ = caller.end()
    if answer == "20":
        raise Fault(
            "A call had given up before its answer came, '20'. The next call asked the "
            "same and took it for its own, and its answer was '24'."
        )
    if answer != "24":
        raise Fault(
            "The answer to an earlier call came first, then the right one, '24', and "
            f"`call` returned {answer!r}."
        )


def check_strangers(channel, queue, caller):
    """Answer what was not asked, again and again, and never the question."""
    caller.ask("a chair", 1)
    chair, _ = take(channel, queue, caller)
    for _ in range(40):
        if not caller.results.empty():
            break
        stranger = pika.BasicProperties(correlation_id="another call")
        channel.basic_publish("", chair.reply_to, b"99", stranger)
        time.sleep(0.1)
    answer, took = caller.end()
    if answer is not None:
        raise Fault(f"Only other calls were answered, and `call` returned {answer!r}.")
    if took > 3:
        raise Fault(
            f"Answers to other calls came every tenth of a second, and `call` waited "
            f"{took:.1f} seconds where the deadline was 1: each answer that it drops "
            "starts its wait anew."
        )

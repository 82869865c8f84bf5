"""An answer that comes after the time-out must not be taken for that of the next call.

Watch the price of the books: who takes the first answer gets that of the lamp.
"""

import sys
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

PRICES = {"a lamp": "20", "two books": "24"}


def read(bootstrap, topic):
    """Return a reader at the end of the topic; it ends after 3 s of silence."""
    reader = KafkaConsumer(bootstrap_servers=bootstrap, consumer_timeout_ms=3000)
    reader.assign([TopicPartition(topic, 0)])
    reader.seek_to_end()
    reader.position(TopicPartition(topic, 0))
    return reader


def ask(producer, topic, reply_to, article):
    """Ask for a price; return the identifier that the answer will carry."""
    correlation_id = uuid4().bytes
    headers = [("reply_to", reply_to.encode()), ("correlation_id", correlation_id)]
    producer.send(topic, article.encode(), headers=headers).get(timeout=10)
    return correlation_id


def take_first(answers, correlation_id):
    """Return the first answer that comes, whatever it answers."""
    for reply in answers:
        return reply.value.decode()


def take_own(answers, correlation_id):
    """Return the answer to this question; drop those that nobody waits for any more."""
    for reply in answers:
        if dict(reply.headers)["correlation_id"] == correlation_id:
            return reply.value.decode()
        print(f"  dropped a late answer: {reply.value.decode()}")


def answer(producer, requests):
    request = next(requests)
    asked, price = dict(request.headers), PRICES[request.value.decode()].encode()
    headers = [("correlation_id", asked["correlation_id"])]
    replies = asked["reply_to"].decode()
    producer.send(replies, price, headers=headers).get(timeout=10)


def call_twice(bootstrap, topic, take):
    """Ask for two prices, of which the first is answered too late."""
    replies = f"{topic}-replies"
    with (
        read(bootstrap, topic) as requests,
        read(bootstrap, replies) as answers,
        KafkaProducer(bootstrap_servers=bootstrap) as producer,
    ):
        lamp = ask(producer, topic, replies, "a lamp")
        print(f"  a lamp: {take(answers, lamp) or 'no answer in time'}")
        answer(producer, requests)
        books = ask(producer, topic, replies, "two books")
        answer(producer, requests)
        print(f"  two books: {take(answers, books)}")


def main(bootstrap="localhost:9092", topic=f"prices-{uuid4().hex[:8]}"):
    topics = {each: {"num_partitions": 1} for each in (topic, f"{topic}-replies")}
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        admin.create_topics(topics, wait_for_metadata=True)
    for take in (take_first, take_own):
        print(f"{take.__name__}:")
        call_twice(bootstrap, topic, take)


if __name__ == "__main__":
    main(*sys.argv[1:])

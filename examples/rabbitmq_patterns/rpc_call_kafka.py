"""A request says where its answer shall go, and the answer says what it answers.

Watch the last line: the shops share a reply topic, so each reads what others asked.
"""

import sys
from itertools import islice
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

PRICES = {"a lamp": "20", "two books": "24", "a chair": "35"}


def create(bootstrap, *topics):
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        one = {topic: {"num_partitions": 1} for topic in topics}
        admin.create_topics(one, wait_for_metadata=True)


def read(bootstrap, topic):
    """Return a reader that stands at the end of the topic from now on."""
    reader = KafkaConsumer(bootstrap_servers=bootstrap, consumer_timeout_ms=10000)
    reader.assign([TopicPartition(topic, 0)])
    reader.seek_to_end()
    reader.position(TopicPartition(topic, 0))  # Finds the end before anybody asks.
    return reader


def ask(producer, topic, reply_to, article):
    """Ask for a price; return the identifier that the answer will carry."""
    correlation_id = uuid4().bytes
    headers = [("reply_to", reply_to.encode()), ("correlation_id", correlation_id)]
    producer.send(topic, article.encode(), headers=headers).get(timeout=10)
    return correlation_id


def answer(producer, requests, count):
    """Take `count` requests and answer the last one first."""
    for request in reversed(list(islice(requests, count))):
        asked, price = dict(request.headers), PRICES[request.value.decode()].encode()
        headers = [("correlation_id", asked["correlation_id"])]
        replies = asked["reply_to"].decode()
        producer.send(replies, price, headers=headers).get(timeout=10)


def collect(answers, open_calls):
    """Return the price of each article, and how many answers it took to find them."""
    prices, read = {}, 0
    while open_calls:
        reply = next(answers)
        read += 1
        if article := open_calls.pop(dict(reply.headers)["correlation_id"], None):
            prices[article] = reply.value.decode()
    return prices, read


def main(bootstrap="localhost:9092", topic=f"prices-{uuid4().hex[:8]}"):
    replies = f"{topic}-replies"
    create(bootstrap, topic, replies)
    with (
        read(bootstrap, topic) as requests,
        read(bootstrap, replies) as answers,
        KafkaProducer(bootstrap_servers=bootstrap) as producer,
    ):
        mine = ["a lamp", "two books"]
        open_calls = {ask(producer, topic, replies, each): each for each in mine}
        ask(producer, topic, replies, "a chair")  # Another shop does this.
        print(f"asked for: {mine}")
        answer(producer, requests, 3)
        prices, count = collect(answers, open_calls)
        print(f"answered: {prices}")
        print(f"answers read: {count}")


if __name__ == "__main__":
    main(*sys.argv[1:])

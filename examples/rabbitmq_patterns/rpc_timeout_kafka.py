"""The client waits until its deadline, and the request says when it is too late.

Watch the service: it reads both questions and must itself leave out the old one.
"""

import sys
import time
from itertools import islice
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

PRICES = {"a lamp": "20", "two books": "24"}


def create(bootstrap, *topics):
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        one = {topic: {"num_partitions": 1} for topic in topics}
        admin.create_topics(one, wait_for_metadata=True)


def read(bootstrap, topic):
    """Return a reader that stands at the end of the topic from now on."""
    reader = KafkaConsumer(bootstrap_servers=bootstrap, consumer_timeout_ms=10000)
    reader.assign([TopicPartition(topic, 0)])
    reader.seek_to_end()
    reader.position(TopicPartition(topic, 0))
    return reader


def ask(producer, topic, reply_to, article, seconds):
    """Ask for a price, within a time; return the identifier of the answer."""
    correlation_id, until = uuid4().bytes, str(time.time() + seconds)
    headers = {"reply_to": reply_to.encode(), "until": until.encode()}
    headers = [*headers.items(), ("correlation_id", correlation_id)]
    producer.send(topic, article.encode(), headers=headers).get(timeout=10)
    return correlation_id


def wait_for(answers, correlation_id, seconds):
    """Return the answer, or None if it has not come by the deadline."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        for replies in answers.poll(timeout_ms=left * 1000).values():
            for reply in replies:
                if dict(reply.headers)["correlation_id"] == correlation_id:
                    return reply.value.decode()


def work_off(producer, requests, count):
    """Answer those of the next `count` requests for which it is not too late."""
    for request in islice(requests, count):
        asked, article = dict(request.headers), request.value.decode()
        if time.time() > float(asked["until"]):
            print(f"the service leaves out {article}")
            continue
        print(f"the service works on {article}")
        headers = [("correlation_id", asked["correlation_id"])]
        price, replies = PRICES[article].encode(), asked["reply_to"].decode()
        producer.send(replies, price, headers=headers).get(timeout=10)


def main(bootstrap="localhost:9092", topic=f"prices-{uuid4().hex[:8]}"):
    replies = f"{topic}-replies"
    create(bootstrap, topic, replies)
    with (
        read(bootstrap, topic) as requests,
        read(bootstrap, replies) as answers,
        KafkaProducer(bootstrap_servers=bootstrap) as producer,
    ):
        # One second less than the shop waits: the answer must come back in it.
        lamp = ask(producer, topic, replies, "a lamp", seconds=1)
        print(f"a lamp: {wait_for(answers, lamp, seconds=2) or 'no answer in time'}")
        books = ask(producer, topic, replies, "two books", seconds=10)
        work_off(producer, requests, 2)
        print(f"two books: {wait_for(answers, books, seconds=11)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

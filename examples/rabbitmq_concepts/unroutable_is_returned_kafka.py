"""A record for an unknown topic fails only if the topic may not be created for it: by
default it is made on the spot.

Watch the misspelt topic: the order comes back, and then, with the defaults, is stored
where nobody reads.
"""

import sys
from uuid import uuid4

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

STRICT = {
    "allow.auto.create.topics": False,
    # How long a topic may be unknown before its records fail. 30 seconds by default.
    "topic.metadata.propagation.max.ms": 2000,
}


def send(bootstrap, topic, order, options):
    """Send `order` and print what the delivery report says of it."""

    def on_delivery(error, message):
        print(f"'{message.value().decode()}': {error.str() if error else 'stored'}")

    with Producer({"bootstrap.servers": bootstrap, **options}) as producer:
        producer.produce(topic, order.encode(), on_delivery=on_delivery)
        producer.flush(30)


def exists(bootstrap, topic):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    return topic in admin.list_topics(timeout=10).topics


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    misspelt = f"{topic}-payed"
    for title, options in (("no creation", STRICT), ("defaults", {})):
        print(f"a producer with {title}")
        send(bootstrap, misspelt, "order 8", options)
        print(f"the misspelt topic exists: {exists(bootstrap, misspelt)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Pull: a consumer that does not ask is sent nothing, and the broker keeps the rest.

Watch the first poll: the broker is frozen, and nothing had been sent before.
"""

from kafka import KafkaConsumer, KafkaProducer, TopicPartition


def send_orders(bootstrap, topic, count):
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        sent = [
            producer.send(topic, f"order {n}".encode()) for n in range(1, count + 1)
        ]
        for each in sent:
            each.get(timeout=10)


def ask(consumer, limit):
    """Ask for at most `limit` orders and wait up to two seconds for the first."""
    records = consumer.poll(timeout_ms=2000, max_records=limit)
    return [record.value.decode() for batch in records.values() for record in batch]


def main(broker, topic="orders"):
    send_orders(broker.address, topic, 10)
    with KafkaConsumer(
        bootstrap_servers=broker.address, auto_offset_reset="earliest"
    ) as consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        consumer.position(partition)  # Connected, and it knows where it starts.
        broker.pause()
        print(f"10 orders wait, already here: {ask(consumer, 3)}")
        broker.resume()
        print(f"asked for 3: {ask(consumer, 3)}")

"""An order travels as Avro, and a consumer whose schema is newer can read it.

Watch the record: five bytes lead to the schema it was written with, the rest is values.
"""

import json
import sys
from uuid import uuid4

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

FIELDS = [
    {"name": "number", "type": "long"},
    {"name": "item", "type": "string"},
    {"name": "cents", "type": "int"},
]
ORDER = json.dumps({"type": "record", "name": "Order", "fields": FIELDS})
CURRENCY = {"name": "currency", "type": "string", "default": "EUR"}
NEWER = json.dumps({"type": "record", "name": "Order", "fields": [*FIELDS, CURRENCY]})


def send_order(bootstrap, client, topic, schema, order):
    """Send an order as Avro; the serializer registers the schema if it is new."""
    serialize = AvroSerializer(client, schema)
    producer = Producer({"bootstrap.servers": bootstrap})
    value = serialize(order, SerializationContext(topic, MessageField.VALUE))
    producer.produce(topic, value)
    producer.flush(10)


def receive(bootstrap, topic, count):
    """Return the bytes of the first `count` records."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": topic})
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    records = consumer.consume(count, timeout=10)
    consumer.close()
    return [record.value() for record in records]


def read(client, topic, schema, value):
    """Read a record as `schema` has it, whatever schema it was written with."""
    deserialize = AvroDeserializer(client, schema)
    return deserialize(value, SerializationContext(topic, MessageField.VALUE))


def main(
    bootstrap="localhost:9092",
    registry="http://localhost:8081",
    topic=f"orders-{uuid4().hex[:8]}",
):
    client = SchemaRegistryClient({"url": registry, "timeout": 10})
    order = {"number": 5, "item": "lamp", "cents": 490}
    send_order(bootstrap, client, topic, ORDER, order)
    (value,) = receive(bootstrap, topic, 1)
    as_json = json.dumps(order, separators=(",", ":"))
    print(f"bytes as JSON: {len(as_json)}, in the record: {len(value)}")
    magic, schema_id, avro = value[0], int.from_bytes(value[1:5]), value[5:]
    print(f"first byte: {magic}, then 4 of the schema's id, then Avro: {avro}")
    latest = client.get_latest_version(f"{topic}-value")
    print(f"the id is the registry's: {schema_id == latest.schema_id}")
    written_with = json.loads(client.get_schema(schema_id).schema_str)
    print(f"written with: {[field['name'] for field in written_with['fields']]}")
    print(f"read with that: {read(client, topic, ORDER, value)}")
    print(f"read with newer: {read(client, topic, NEWER, value)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

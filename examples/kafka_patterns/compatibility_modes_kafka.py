"""The registry answers which change of a schema each compatibility mode accepts.

Watch the last three rows: only a mode that looks at all versions refuses those.
"""

import json
import sys
from uuid import uuid4

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError


def field(name, kind, **more):
    return {"name": name, "type": kind, **more}


MODES = ["BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE"]
MODES += ["FULL", "FULL_TRANSITIVE", "NONE"]
NOTE, REMARK = field("note", "string"), field("remark", "string")
EMPTY, ALIAS = {"default": ""}, {"aliases": ["note"]}
INT = {"type": "int", "default": 0}
NEW = field("status", field("Status", "enum", symbols=["new"]))
PAID = field("status", field("Status", "enum", symbols=["new", "paid"]))
NEW_ELSE = field("status", NEW["type"] | {"default": "new"})
PAID_ELSE = field("status", PAID["type"] | {"default": "new"})
# Each version of the schema is the list of fields that an order has beside its number.
CHANGES = {
    "add a field with a default": [[], [NOTE | EMPTY]],
    "add a field without a default": [[], [NOTE]],
    "remove a field with a default": [[NOTE | EMPTY], []],
    "remove a field without a default": [[NOTE], []],
    "rename, the old name as an alias": [[NOTE], [REMARK | ALIAS]],
    "rename without an alias": [[NOTE], [REMARK]],
    "rename without, both with a default": [[NOTE | EMPTY], [REMARK | EMPTY]],
    "widen int to long": [[field("cents", "int")], [field("cents", "long")]],
    "narrow long to int": [[field("cents", "long")], [field("cents", "int")]],
    "add an enum symbol": [[NEW], [PAID]],
    "remove an enum symbol": [[PAID], [NEW]],
    "add one, the enum has a default": [[NEW_ELSE], [PAID_ELSE]],
    "add with a default, then drop that": [[], [NOTE | EMPTY], [NOTE]],
    "give it a default, then remove it": [[NOTE], [NOTE | EMPTY], []],
    "remove it, then add it as an int": [[NOTE | EMPTY], [], [NOTE | INT]],
}


def order(fields):
    record = field("Order", "record", fields=[field("id", "long"), *fields])
    return Schema(json.dumps(record), "AVRO")


def accepts(client, subject, mode, versions):
    """Register the versions one after the other; return whether none is refused."""
    client.set_compatibility(subject, mode)
    try:
        for fields in versions:
            client.register_schema(subject, order(fields))
    except SchemaRegistryError as error:
        if error.http_status_code != 409:
            raise
        return False
    return True


def main(
    bootstrap="localhost:9092",
    registry="http://localhost:8081",
    topic=f"orders-{uuid4().hex[:8]}",
):
    client = SchemaRegistryClient({"url": registry, "timeout": 10})
    print(f"{'':35}  BACKWARD   FORWARD      FULL NONE")
    print(f"{'compared with which versions':35}{' last  all' * 3}")
    print(f"{'who is upgraded first':35} consumers producers    either")
    for change, versions in CHANGES.items():
        answers = [accepts(client, f"{topic}-{change}-{m}", m, versions) for m in MODES]
        print(f"{change:35}", *("yes" if each else " no" for each in answers), sep="  ")


if __name__ == "__main__":
    main(*sys.argv[1:])

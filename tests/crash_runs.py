"""What the lab `crash_points` might have recorded, for the tests of its player."""

import json

from labs.crash_points import VARIANTS


def made_up(variant, effects):
    """Return a run with two events, as the lab writes them."""
    timeline = [[0.1, "the sender starts"], [0.5, f"{variant}: {effects}"]]
    counts = {"effects of order 5": effects}
    return {"variant": variant, "counts": counts, "seconds": {}, "timeline": timeline}


LOSES = "Kafka, at most once, sender between"
VARIES = "RabbitMQ, at least once, receiver between"
RECORDED = {
    "date": "2026-11-24",
    "machine": "x86_64, 2 cores",
    "brokers": {"kafka": "4.3.1", "rabbitmq": "4.3.6"},
    "clients": {"kafka-python": "3.0.12"},
    "times": 2,
    "runs": [
        *(made_up(each, 0 if each == LOSES else 1) for each in VARIANTS),
        *(made_up(each, {LOSES: 0, VARIES: 2}.get(each, 1)) for each in VARIANTS),
    ],
}
FILES = {
    "book/index.md": "# P\n\n:::{delivery-player}\n:::\n",
    "examples/labs/crash_points.json": json.dumps(RECORDED),
}

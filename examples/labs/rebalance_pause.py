"""A third member joins a group of two and leaves again, under three protocols.

Orders flow into four partitions all the time, and the second member is busy for seven
seconds when the third one comes or goes. What is measured is the longest silence of the
partition that moved, and of those that the first member kept.
"""

from uuid import uuid4

from kafka_patterns import (
    rebalance_consumer_protocol_kafka,
    rebalance_cooperative_kafka,
    rebalance_eager_kafka,
)
from labs.checker import Outcome

BROKERS = {"kafka": 1}
CLIENTS = ("confluent-kafka",)
VARIANTS = ("eager", "cooperative", "consumer")
PROGRAM = {
    "eager": rebalance_eager_kafka,
    "cooperative": rebalance_cooperative_kafka,
    "consumer": rebalance_consumer_protocol_kafka,
}
BUSY = 7  # Seconds.


def run(brokers, variant, note):
    """Run one variant: `variant` is the group's protocol."""
    address, topic = brokers["kafka"].address, f"orders-{uuid4().hex[:8]}"
    seen = PROGRAM[variant].join_and_leave(address, topic, BUSY)
    counts, seconds = {}, {}
    for change in ("join", "leave"):
        found = seen[f"{change}s"]
        counts[f"given up by the {change}"] = found["given up"]
        counts[f"moved by the {change}"] = found["moved"]
        moved, kept = found["silence of moved"], found["silence of kept"]
        seconds[f"{change}: what moved is silent"] = moved
        seconds[f"{change}: what stays is silent"] = kept
        silent = f"{moved:.1f} s for what moved, {kept:.1f} s for what stays"
        note(f"the {change} is over: {silent}")
    return Outcome(counts=counts, seconds=seconds)

"""A static member comes back within its session, and nobody else notices.

Watch the price: meanwhile nobody works on the partitions of the static member.
"""

import sys
import time
from uuid import uuid4

from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient, NewTopic


def create(bootstrap, topic):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, 4)])[topic].result(10)


def join_group(bootstrap, topic, group, identity, given_up):
    """Return a member that has no partition until it is polled."""
    heartbeat = {"heartbeat.interval.ms": 500}  # So that it hears of a rebalance soon.
    settings = {"bootstrap.servers": bootstrap, "group.id": group, **heartbeat}
    member = Consumer({**settings, **identity})
    member.subscribe([topic], on_revoke=lambda _, each: given_up.append(each))
    return member


def poll(members, shares, seconds=30):
    """Poll until the members have so many partitions each, or the time is up."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if [len(each.assignment()) for each in members] == shares:
            return
        for member in members:
            member.poll(0.05)


def restart_second(bootstrap, topic, group, identity):
    """Restart the second of two members; return what the first one saw of it."""
    given_up = []
    first = join_group(bootstrap, topic, group, {}, given_up)
    second = join_group(bootstrap, topic, group, identity, [])
    poll([first, second], [2, 2])
    given_up.clear()
    second.close()
    poll([first], [4], seconds=3)
    meanwhile = len(first.assignment())
    second = join_group(bootstrap, topic, group, identity, [])
    poll([first, second], [2, 2])
    poll([first], [4], seconds=1)  # For a rebalance that is still to come.
    rebalances = len(given_up)
    for member in (first, second):
        member.close()
    return meanwhile, rebalances


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    create(bootstrap, topic)
    static = {"group.instance.id": "till-2"}
    for kind, identity in {"dynamic": {}, "static": static}.items():
        group = f"{topic}-{kind}"
        meanwhile, rebalances = restart_second(bootstrap, topic, group, identity)
        print(f"a {kind} member restarts: {rebalances} rebalances")
        print(f"meanwhile the other member has {meanwhile} of 4 partitions")


if __name__ == "__main__":
    main(*sys.argv[1:])

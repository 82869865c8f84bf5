"""An eager rebalance: when one member comes or goes, all give up all partitions.

Watch member 1: one partition moves, and it gets nothing while member 2 is busy.
"""

import sys
import time
from collections import Counter
from uuid import uuid4

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

PROTOCOL = {"partition.assignment.strategy": "range"}


def join_group(bootstrap, topic, number, owner, given_up):
    def give_up(_, partitions):
        for each in partitions:
            given_up.append(owner.pop(each.partition, None))

    group = {"group.id": topic, "client.id": f"member {number}", **PROTOCOL}
    member = Consumer({"bootstrap.servers": bootstrap, **group})
    member.subscribe([topic], on_revoke=give_up)
    return member


def let_orders_flow(producer, topic, members, shares, owner, given_up, busy=0):
    """Let orders flow until the members have `shares`; return what that stopped."""
    begin, before = time.monotonic(), dict(owner)
    last, silence = [begin] * 4, [0] * 4
    given_up.clear()
    while sorted(Counter(owner.values()).values()) != shares:
        if time.monotonic() > begin + 60:
            raise TimeoutError("The group has not shared out the partitions.")
        for partition in range(4):
            producer.produce(topic, b"order", partition=partition)
        producer.poll(0.01)
        for number, member in enumerate(members, 1):
            if number == 2 and time.monotonic() < begin + busy:
                continue  # It is at work on an order and takes no other.
            while (order := member.poll(0)) and not order.error():
                now, partition = time.monotonic(), order.partition()
                silence[partition] = max(silence[partition], now - last[partition])
                last[partition], owner[partition] = now, number
    moved = {each for each in owner if owner[each] != before.get(each)}
    kept = {each for each in owner if owner[each] == 1} - moved
    return {
        "given up": len(given_up),
        "moved": len(moved),
        "silence of moved": max((silence[each] for each in moved), default=0),
        "silence of kept": max((silence[each] for each in kept), default=0),
    }


def join_and_leave(bootstrap, topic, busy=7):
    """Let a third member join two, and leave; return what each of both stopped.

    Member 2 is busy for the first `busy` seconds of each. A silence is the longest time
    in seconds without an order, from a partition that moved or that member 1 kept.
    """
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, 4)])[topic].result(10)
    producer = Producer({"bootstrap.servers": bootstrap})
    owner, given_up = {}, []
    members = [join_group(bootstrap, topic, each, owner, given_up) for each in (1, 2)]
    let_orders_flow(producer, topic, members, [2, 2], owner, given_up)
    members.append(join_group(bootstrap, topic, 3, owner, given_up))
    joins = let_orders_flow(producer, topic, members, [1, 1, 2], owner, given_up, busy)
    members.pop().close()
    leaves = let_orders_flow(producer, topic, members, [2, 2], owner, given_up, busy)
    for each in (producer, *members):
        each.close()
    return {"joins": joins, "leaves": leaves}


def main(bootstrap="localhost:9092", topic=f"orders-{uuid4().hex[:8]}"):
    for change, seen in join_and_leave(bootstrap, topic).items():
        given_up, moved = seen["given up"], seen["moved"]
        waits = "waits for member 2" if seen["silence of kept"] > 2.5 else "goes on"
        print(f"member 3 {change}: partitions given up {given_up}, moved {moved}")
        print(f"member 1 {waits}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The broker is killed soon after a quorum queue was declared and filled.

All orders are persistent and confirmed by then. A variant's name is the time from the
answered declaration to the kill. In the last one the broker was told before to save its
table of the queues' names 50 times a second, instead of when it sees fit.
"""

import time
from uuid import uuid4

from labs.checker import Outcome, account
from labs.minority_partition import evaluate
from labs.numbered_orders import declare, publish, read

BROKERS = {"rabbitmq": 1}
CLIENTS = ("pika",)
VARIANTS = ("at once", "0.8 s", "1.2 s", "2 s", "at once, names saved")
COUNT = 500

# The table is that of Ra, the library under quorum queues.
SAVE = """
#{names := #{directory_rev := Names}} = ra_system:fetch(quorum_queues),
spawn(fun Save() -> dets:sync(Names), timer:sleep(20), Save() end).
"""


def run(brokers, variant, note):
    """Run one variant; every node of the cluster runs when it returns."""
    cluster, queue = brokers["rabbitmq"], f"orders-{uuid4().hex[:8]}"
    address = cluster.nodes[0].address
    if variant.endswith("saved"):
        for node in cluster.nodes:
            evaluate(node, SAVE)
    wait = 0 if variant.startswith("at once") else float(variant.removesuffix(" s"))
    declare(address, queue, "quorum")
    declared, confirmed = time.monotonic(), {}
    note("the queue is declared")
    publish(address, queue, range(COUNT), confirmed, [])
    note(f"{len(confirmed)} are confirmed")
    time.sleep(max(0, declared + wait - time.monotonic()))
    age = time.monotonic() - declared
    cluster.kill()
    note("the broker is killed")
    cluster.start()
    note("the broker is back")
    found = read(address, queue)
    note(f"{len(found)} were read")
    return Outcome(
        account(range(COUNT), confirmed, found), seconds={"age when killed": age}
    )

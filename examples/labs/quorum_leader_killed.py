"""The node that leads a queue is killed while orders come, for each type of queue.

The orders come by another node, which lives on. The killed node is started again after
a second. A consumer reads everything when the node is back.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from uuid import uuid4

from labs.checker import Outcome, account
from labs.numbered_orders import declare, publish, read, wait_for

BROKERS = {"rabbitmq": 3}
CLIENTS = ("pika",)
VARIANTS = ("quorum", "classic", "stream")
COUNT, PAUSE = 1800, 0.005  # Orders, and the seconds between two of them.


def run(brokers, variant, note):
    """Run one variant; the cluster is whole when it returns."""
    leader, other, _ = brokers["rabbitmq"].nodes
    queue = f"orders-{uuid4().hex[:8]}"
    declare(leader.address, queue, variant)
    confirmed, refused = {}, []
    with ThreadPoolExecutor(1) as thread:
        args = (other.address, queue, range(COUNT), confirmed, refused, PAUSE)
        publishing = thread.submit(publish, *args)
        wait_for(confirmed, 200)
        note("200 orders are confirmed")
        leader.kill()
        note("the leader's node is killed")
        time.sleep(1)  # How long nobody notices that it has to be started.
        leader.start()
        note(f"it is back: {len(confirmed)} are confirmed, {len(refused)} refused")
        publishing.result(timeout=120)
    note(f"all were sent: {len(confirmed)} are confirmed, {len(refused)} refused")
    begin = {"x-stream-offset": "first"} if variant == "stream" else None
    delivered = read(other.address, queue, begin)
    note("everything was read")
    gap = max(later - earlier for earlier, later in pairwise(confirmed.values()))
    return Outcome(
        account(range(COUNT), confirmed, delivered),
        {"refused": len(refused)},
        {"longest gap": gap},
    )

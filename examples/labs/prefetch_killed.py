"""One poison order kills each consumer that works on it, with others in its window.

The queue is a quorum queue that gives an order up after more than three failures. Each
consumer is a process of its own, and the next one starts when it is dead.
"""

import os
import signal
from multiprocessing import get_context
from uuid import uuid4

import pika
from labs.checker import Outcome
from labs.hearing import hear
from labs.numbered_orders import declare, publish, read

BROKERS = {"rabbitmq": 1}
CLIENTS = ("pika",)
VARIANTS = ("prefetch 1", "prefetch 10", "prefetch 100", "prefetch 100, rejects")
COUNT, POISON, LIMIT = 100, 20, 3


def work(url, queue, prefetch, rejects, line):
    """Do each order and acknowledge it; the poison order ends this process."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.basic_qos(prefetch_count=prefetch)
    for method, _, body in channel.consume(queue, inactivity_timeout=2):
        if method is None:
            break
        number = int(body)
        if number != POISON:
            channel.basic_ack(method.delivery_tag)
            line.send(number)
        elif rejects:
            channel.basic_reject(method.delivery_tag, requeue=True)
        else:
            connection.sleep(0.3)  # It works on the order, and its window fills.
            os.kill(os.getpid(), signal.SIGKILL)  # As if it ran out of memory.
    connection.close()


def consume(*arguments):
    """Run one consumer; return what it has done, and whether it was killed."""
    context = get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(*arguments, there), daemon=True)
    process.start()
    there.close()
    done = list(hear(here))
    process.join(30)
    return done, process.exitcode == -signal.SIGKILL


def run(brokers, variant, note):
    """Run one variant."""
    address, queue = brokers["rabbitmq"].address, f"orders-{uuid4().hex[:8]}"
    given_up = f"{queue}-given-up"
    declare(address, given_up, "quorum")
    declare(
        address,
        queue,
        "quorum",
        delivery_limit=LIMIT,
        dead_letter_exchange="",
        dead_letter_routing_key=given_up,
    )
    publish(address, queue, range(COUNT), {}, [])
    note(f"{COUNT} orders wait, and number {POISON} is poison")
    prefetch, rejects = int(variant.split()[1].rstrip(",")), variant.endswith("rejects")
    done, killed = [], 0
    while killed < COUNT:
        now_done, dead = consume(address, queue, prefetch, rejects)
        done += now_done
        if not dead:
            note(f"a consumer has done {len(now_done)}, and nothing is left")
            break
        killed += 1
        note(f"a consumer has done {len(now_done)}, and is killed")
    dead_letters = read(address, given_up)
    innocent = set(dead_letters) - {POISON}
    note(f"given up: {len(dead_letters)}, of which {len(innocent)} are innocent")
    return Outcome(
        counts={
            "done": len(set(done)),
            "done again": len(done) - len(set(done)),
            "poison given up": dead_letters.count(POISON),
            "innocent given up": len(innocent),
            "consumers killed": killed,
        }
    )

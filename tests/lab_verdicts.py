"""What each run of each lab must come to, and how the tests run one.

The labs of each choice of brokers have a test file of their own, so that files that run
at the same time share the waiting.
"""

from contextlib import ExitStack, contextmanager

from brokers import labs

# What must hold in each run of a variant, whatever the spread of the rest is.
NOTHING_WRONG = {"lost": 0, "unconfirmed": 0, "duplicated": 0, "reordered": 0}
HARM = {
    "at most once": {"lost": 1, "effects of order 5": 0},
    "at least once": {"duplicated": 1, "effects of order 5": 2},
    "exactly-once effect": {},
}
NEVER_HALF = {"half done": 0, "charged twice": 0, "another step twice": 0}
FAILURE_SAFE = {
    "Kafka, safe": {"lost": 0, "unconfirmed": 0, "reordered": 0},
    "RabbitMQ, safe": {"lost": 0, "unconfirmed": 0},
}
VERDICTS = {
    "aborted_transaction": {
        "read_uncommitted": {"confirmed": 50, "delivered": 100, "unconfirmed": 50},
        "read_committed": {"confirmed": 50, "delivered": 50, **NOTHING_WRONG},
    },
    "below_the_minimum": {
        "acks=1": {"confirmed below": 100, "shown meanwhile": 0, **NOTHING_WRONG},
        "acks=all": {"confirmed below": 0, "shown meanwhile": 0, **NOTHING_WRONG},
    },
    "consumer_killed": {
        "Kafka, commit first": {"lost": 5, "duplicated": 0},
        "Kafka, commit last": {"lost": 0, "duplicated": 5},
        "RabbitMQ, ack first": {"lost": 5, "duplicated": 0},
        "RabbitMQ, ack last": {"lost": 0, "duplicated": 5},
    },
    "cost_of_a_guarantee": {"Kafka": {}, "RabbitMQ": {}},  # It counts nothing: SLOWER.
    "crash_points": {
        f"{broker}, {guarantee}, {side} {point}": {
            **NOTHING_WRONG,
            "effects of order 5": 1,
            **(harm if point == "between" else {}),
        }
        for broker in ("Kafka", "RabbitMQ")
        for guarantee, harm in HARM.items()
        for side in ("sender", "receiver")
        for point in ("before", "between", "after")
    },
    "delayed_retry": {
        "reject": {"failures counted": 6},
        "nack": {"failures counted": 0},
    },
    "failure": {
        variant: FAILURE_SAFE.get(variant.partition(": ")[2], {})
        for variant in labs.load("failure").VARIANTS
    },
    "leader_killed": {
        "acks=0": {"unconfirmed": 0},
        "acks=1": {"unconfirmed": 0},
        "acks=all": {"confirmed": 1500, **NOTHING_WRONG},
    },
    "minority_partition": {
        "waits": {"confirmed while cut": 0, **NOTHING_WRONG},
        "sends again": {"confirmed while cut": 0, "lost": 0, "duplicated": 100},
        "closes, sends again": {"confirmed while cut": 0, **NOTHING_WRONG},
    },
    "mixed_ttl_waits": {
        "one queue": {"over a second late": 4},
        "a queue per delay": {"over a second late": 0},
        "one quorum queue": {"over a second late": 4},
    },
    "outbox_killed": {
        "commit, then publish": {
            "points struck on each": 10,
            "Kafka: lost": 1,
            "Kafka: invented": 0,
            "Kafka: doubled": 0,
            "Kafka: published twice": 0,
            "RabbitMQ: lost": 1,
            "RabbitMQ: invented": 0,
            "RabbitMQ: doubled": 0,
            "RabbitMQ: published twice": 0,
        },
        "publish, then commit": {
            "points struck on each": 10,
            "Kafka: lost": 0,
            "Kafka: invented": 1,
            "Kafka: doubled": 0,
            "Kafka: published twice": 0,
            "RabbitMQ: lost": 0,
            "RabbitMQ: invented": 1,
            "RabbitMQ: doubled": 0,
            "RabbitMQ: published twice": 0,
        },
        "outbox, no inbox": {
            "points struck on each": 14,
            "Kafka: lost": 0,
            "Kafka: invented": 0,
            "Kafka: doubled": 3,
            "Kafka: published twice": 2,
            "RabbitMQ: lost": 0,
            "RabbitMQ: invented": 0,
            "RabbitMQ: doubled": 3,
            "RabbitMQ: published twice": 2,
        },
        "outbox and inbox": {
            "points struck on each": 15,
            "Kafka: lost": 0,
            "Kafka: invented": 0,
            "Kafka: doubled": 0,
            "Kafka: published twice": 2,
            "RabbitMQ: lost": 0,
            "RabbitMQ: invented": 0,
            "RabbitMQ: doubled": 0,
            "RabbitMQ: published twice": 2,
        },
    },
    "prefetch_killed": {
        "prefetch 1": {"poison given up": 1, "innocent given up": 0, "done": 99},
        "prefetch 10": {"poison given up": 1, "innocent given up": 9, "done": 90},
        "prefetch 100": {"poison given up": 1, "innocent given up": 79, "done": 20},
        "prefetch 100, rejects": {
            "poison given up": 1,
            "innocent given up": 0,
            "done": 99,
        },
    },
    "quorum_leader_killed": {
        "quorum": {"confirmed": 1800, "refused": 0, **NOTHING_WRONG},
        "classic": {"lost": 0, "duplicated": 0},
        "stream": {"confirmed": 1800, "refused": 0, **NOTHING_WRONG},
    },
    "rebalance_pause": {
        "eager": {"moved by the join": 1, "given up by the join": 4},
        "cooperative": {"moved by the join": 1, "given up by the join": 1},
        "consumer": {"moved by the join": 1, "given up by the join": 1},
    },
    "saga_killed": {
        "orchestrated": {
            "points struck on each": 78,
            "all done": 52,
            "all undone": 104,
            **NEVER_HALF,
        },
        "choreographed": {
            "points struck on each": 36,
            "all done": 24,
            "all undone": 48,
            **NEVER_HALF,
        },
        "no inbox": {"all done": 28, "charged twice": 10, "another step twice": 14},
        "state in memory": {"all done": 18, "half done": 34, "charged twice": 0},
    },
    "site_lost": {
        variant: {"far and handled nowhere": 0, "new orders handled far": 10}
        for variant in ("MirrorMaker 2", "federation", "shovel")
    },
    "unconfirmed_killed": {
        "no confirms": {"unconfirmed": 0, "duplicated": 0},
        "confirm each": {"lost": 0, "duplicated": 0},
        "window of 500": {"lost": 0, "duplicated": 0},
    },
    "young_quorum_queue": {
        "at once": {"confirmed": 500, "lost": 500},
        "0.8 s": {"confirmed": 500},  # Near the threshold, so the age decides.
        "1.2 s": {"confirmed": 500},
        "2 s": {"confirmed": 500, "lost": 0},
        "at once, names saved": {"confirmed": 500, "lost": 0},
    },
    "zombie_producer": {
        "no transaction": {"lost": 0, "duplicated": 60},
        "transaction": NOTHING_WRONG,
    },
}
SENT = ("send 1000, one by one", "send 1000, 100 unconfirmed")
HANDLED = (
    "handle 200, acknowledge last, one by one",
    "handle 200, acknowledge last, by 50",
)
COMMITTED = ("send 100, transactions of 1", "send 100, transactions of 50")
# What takes at least twice as long as what, also on a computer that does other things.
SLOWER = {
    ("cost_of_a_guarantee", "Kafka"): (SENT, HANDLED, COMMITTED),
    ("cost_of_a_guarantee", "RabbitMQ"): (SENT, HANDLED),
}
# These measure, and test_labs_measured.py compares their variants with each other.
MEASURING = ("latency", "throughput")
# What loses orders in each run; the other unsafe settings may, or may not.
LOSES = {
    "failure": (
        "leader killed: RabbitMQ, unsafe",
        "minority partition: Kafka, unsafe",
        "consumer killed: Kafka, unsafe",
        "consumer killed: RabbitMQ, unsafe",
        "rolling restart: RabbitMQ, unsafe",
    )
}
# Labs in each run of which orders are handled twice, once at each site.
REPEATS = ("site_lost",)
# The variants that are run live of a lab that takes minutes; of the others all are.
LIVE = {
    "failure": (
        "leader killed: RabbitMQ, unsafe",
        "consumer killed: Kafka, safe",
        "consumer killed: Kafka, unsafe",
        "consumer killed: RabbitMQ, safe",
        "consumer killed: RabbitMQ, unsafe",
    )
}
RUNS = [(lab, variant) for lab, variants in VERDICTS.items() for variant in variants]


def runs_on(*brokers):
    """Return the (lab, variant) pairs to run live of labs on exactly these brokers."""
    return [
        (lab, variant)
        for lab, variant in RUNS
        if {*labs.load(lab).BROKERS} == {*brokers}
        and variant in LIVE.get(lab, VERDICTS[lab])
    ]


@contextmanager
def clusters():
    """Yield what starts a lab's brokers, each number of nodes once for all labs."""
    with ExitStack() as stack:
        started = {}

        def start(lab):
            for each in lab.BROKERS.items():
                if each not in started:
                    broker, nodes = each
                    started[each] = stack.enter_context(labs.launch(broker, nodes))
            return {each: started[each, lab.BROKERS[each]] for each in lab.BROKERS}

        yield start


def judge(name, variant, run):
    """Assert of one run of a variant, live or recorded, what must hold in each."""
    assert VERDICTS[name][variant].items() <= run["counts"].items()
    if variant in LOSES.get(name, ()):
        assert run["counts"]["lost"]
    if name in REPEATS:
        assert run["counts"]["handled at both"]
    # Other work on the computer makes a retry late, and never early.
    assert run["seconds"].get("earlier than the formula", 0) < 0.1
    for slow, quick in SLOWER.get((name, variant), ()):
        assert run["seconds"][slow] > 2 * run["seconds"][quick]


def assert_verdict(start, name, variant):
    """Run a variant of a lab once, on the brokers that `start` gives, and judge it."""
    lab = labs.load(name)
    judge(name, variant, labs.once(lab, start(lab), variant))

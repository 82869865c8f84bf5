"""The labs: the checker counts right, and every run ends as the pages say."""

import json
from contextlib import ExitStack

import pytest
from brokers import BrokerError, labs
from labs.checker import account
from labs.summary import spread, table, typical

# What must hold in each run of a variant, whatever the spread of the rest is.
NOTHING_WRONG = {"lost": 0, "unconfirmed": 0, "duplicated": 0, "reordered": 0}
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
    "delayed_retry": {
        "reject": {"failures counted": 6, "over 0.3 s off the formula": 0},
        "nack": {"failures counted": 0, "over 0.3 s off the formula": 0},
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
RUNS = [(lab, variant) for lab, variants in VERDICTS.items() for variant in variants]


# The checker


def test_the_checker_finds_nothing_wrong_in_a_clean_run():
    counts = account(range(3), range(3), [0, 1, 2])
    assert (counts.sent, counts.confirmed, counts.delivered) == (3, 3, 3)
    wrong = (counts.lost, counts.unconfirmed, counts.duplicated, counts.reordered)
    assert wrong == (0, 0, 0, 0)


def test_the_checker_counts_as_lost_what_was_confirmed_and_never_came():
    assert account(range(4), [0, 1, 2], [0, 2]).lost == 1


def test_the_checker_does_not_count_as_lost_what_was_never_confirmed():
    assert account(range(4), [0, 1], [0, 1]).lost == 0


def test_the_checker_counts_what_came_without_a_confirmation():
    assert account(range(4), [0, 1], [0, 1, 2]).unconfirmed == 1


def test_the_checker_counts_each_delivery_beyond_the_first():
    assert account(range(2), range(2), [0, 1, 0, 0]).duplicated == 2


def test_the_checker_counts_first_deliveries_that_were_overtaken():
    assert account(range(4), range(4), [0, 2, 3, 1]).reordered == 1
    assert account(range(3), range(3), [2, 1, 0]).reordered == 2


def test_the_checker_does_not_call_a_repetition_a_change_of_order():
    assert account(range(3), range(3), [0, 1, 0, 1, 2]).reordered == 0


@pytest.mark.parametrize(("confirmed", "delivered"), [([9], []), ([], [9])])
def test_the_checker_refuses_what_was_never_sent(confirmed, delivered):
    with pytest.raises(ValueError, match=r"never sent: \[9\]"):
        account(range(3), confirmed, delivered)


# The summary


def test_a_count_that_never_changes_is_one_number_and_others_have_their_range():
    assert spread([3, 3, 3], str) == "3"
    assert spread([5, 1, 9], str) == "5 (1 to 9)"


def test_the_table_has_a_cell_for_each_quantity_and_variant():
    runs = [
        {"variant": variant, "counts": {"lost": lost}, "seconds": {"gap": 1.234}}
        for variant, lost in (("a", 0), ("b", 1), ("a", 0), ("b", 3))
    ]
    variants, rows = table(runs)
    assert variants == ["a", "b"]
    assert rows == {"lost": ["0", "1 (1 to 3)"], "gap": ["1.23 s", "1.23 s"]}


def test_the_typical_run_is_the_one_of_median_length():
    runs = [
        {"variant": "a", "timeline": [[end, f"ended after {end}"]]}
        for end in (9.0, 1.0, 5.0)
    ]
    assert typical(runs, "a")["timeline"] == [[5.0, "ended after 5.0"]]


def test_a_lab_that_does_not_exist_is_answered_with_those_that_do():
    with pytest.raises(BrokerError, match=r"no lab 'leader'.*leader_killed"):
        labs.load("leader")


# The labs


@pytest.fixture(scope="module")
def running():
    """Return what starts a lab's brokers, each number of nodes once for all labs."""
    with ExitStack() as stack:
        clusters = {}

        def start(lab):
            for broker, nodes in lab.BROKERS.items():
                if (broker, nodes) not in clusters:
                    started = stack.enter_context(labs.START[broker](nodes=nodes))
                    clusters[broker, nodes] = started
            return {each: clusters[each, lab.BROKERS[each]] for each in lab.BROKERS}

        yield start


def test_every_lab_has_a_verdict_for_each_variant():
    assert sorted(VERDICTS) == labs.names()
    for name, variants in VERDICTS.items():
        assert tuple(variants) == labs.load(name).VARIANTS


@pytest.mark.parametrize(("name", "variant"), RUNS)
def test_a_run_of_the_lab_ends_as_the_page_says(running, name, variant):
    lab = labs.load(name)
    run = labs.once(lab, running(lab), variant)
    assert VERDICTS[name][variant].items() <= run["counts"].items()


def recorded(name, variant):
    """Return the recorded runs of a lab's variant."""
    data = json.loads((labs.LABS / f"{name}.json").read_text())
    return [each for each in data["runs"] if each["variant"] == variant]


@pytest.mark.parametrize(("name", "variant"), RUNS)
def test_at_least_twenty_recorded_runs_end_as_the_page_says(name, variant):
    runs = recorded(name, variant)
    assert len(runs) >= 20
    for each in runs:
        assert VERDICTS[name][variant].items() <= each["counts"].items()


def test_each_recorded_run_without_idempotence_has_reordered_records():
    runs = recorded("leader_killed", "acks=1")
    assert all(each["counts"]["reordered"] for each in runs)


def test_each_recorded_run_without_acknowledgement_has_lost_records():
    runs = recorded("leader_killed", "acks=0")
    assert all(each["counts"]["lost"] for each in runs)


def test_each_recorded_run_without_confirms_has_lost_orders():
    runs = recorded("unconfirmed_killed", "no confirms")
    assert all(each["counts"]["lost"] for each in runs)


def test_each_recorded_classic_queue_without_its_node_refuses_orders():
    runs = recorded("quorum_leader_killed", "classic")
    assert all(each["counts"]["refused"] for each in runs)


def test_each_recorded_queue_was_lost_if_it_was_younger_than_a_second():
    for variant in ("at once", "0.8 s", "1.2 s", "2 s"):
        for each in recorded("young_quorum_queue", variant):
            if (age := each["seconds"]["age when killed"]) < 0.95:
                assert each["counts"]["lost"] == 500
            elif age > 1.15:
                assert each["counts"]["lost"] == 0


def test_a_young_queue_is_lost_as_well_when_all_three_nodes_are_killed(running):
    lab = labs.load("young_quorum_queue")
    three = running(labs.load("quorum_leader_killed"))
    assert labs.once(lab, three, "at once")["counts"]["lost"] == 500
    assert labs.once(lab, three, "2 s")["counts"]["lost"] == 0

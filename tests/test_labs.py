"""The labs: the checker counts right, and every recorded run ends as the pages say."""

import json
from pathlib import Path
from statistics import median_low

import pytest
from brokers import BrokerError, labs
from lab_verdicts import MEASURING, RUNS, SLOWER, VERDICTS, judge
from labs.checker import account
from labs.summary import spread, table, typical

BOOK = Path(__file__).parents[1] / "book"

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


def test_every_lab_has_a_verdict_for_each_variant():
    assert sorted([*VERDICTS, *MEASURING]) == labs.names()
    for name, variants in VERDICTS.items():
        assert tuple(variants) == labs.load(name).VARIANTS


def recorded(name, variant):
    """Return the recorded runs of a lab's variant, of which there are some."""
    data = json.loads((labs.LABS / f"{name}.json").read_text())
    found = [each for each in data["runs"] if each["variant"] == variant]
    assert found, f"No run of '{variant}' is recorded."
    return found


@pytest.mark.parametrize(("name", "variant"), RUNS)
def test_the_recorded_runs_are_enough_and_end_as_the_page_says(name, variant):
    runs = recorded(name, variant)
    assert len(runs) >= 20
    for each in runs:
        judge(name, variant, each)


@pytest.mark.parametrize("variant", VERDICTS["delayed_retry"])
def test_no_recorded_retry_was_0_3_seconds_off_the_formula(variant):
    for each in recorded("delayed_retry", variant):
        assert each["counts"]["over 0.3 s off the formula"] == 0


@pytest.mark.parametrize("failure", ["follower paused", "controller killed"])
def test_two_failures_stop_the_confirms_of_safe_settings_alone_and_lose_nothing(
    failure,
):
    gap = "longest gap, confirms"
    for each in recorded("failure", f"{failure}: Kafka, safe"):
        assert each["seconds"][gap] > 2
    for each in recorded("failure", f"{failure}: Kafka, unsafe"):
        assert each["seconds"][gap] < 0.5
        assert each["seconds"]["longest gap, deliveries"] > 2
    for broker in ("Kafka", "RabbitMQ"):
        runs = recorded("failure", f"{failure}: {broker}, unsafe")
        assert [each["counts"]["lost"] for each in runs] == [0] * len(runs)


def test_a_quorum_queue_has_a_new_leader_within_0_6_seconds_of_the_kill():
    for each in recorded("failure", "leader killed: RabbitMQ, safe"):
        assert each["seconds"]["longest gap, confirms"] < 0.6


def test_the_page_says_how_long_confirms_stop_without_a_replica():
    gaps = [
        each["seconds"]["longest gap, confirms"]
        for failure in ("follower paused", "controller killed")
        for each in recorded("failure", f"{failure}: Kafka, safe")
    ]
    assert 2.5 < min(gaps) <= max(gaps) < 7
    page = (BOOK / "production" / "index.md").read_text()
    assert "stopped the confirms for three to seven seconds" in page


def test_the_page_says_how_often_a_cut_off_publisher_repeats_over_a_hundred_orders():
    runs = recorded("failure", "minority partition: RabbitMQ, safe")
    many = sum(each["counts"]["duplicated"] > 100 for each in runs)
    page = (BOOK / "production" / "index.md").read_text()
    assert f"over a hundred orders in {many} of the {len(runs)} runs" in page


def test_a_rolling_restart_loses_with_unsafe_settings_in_each_recorded_run():
    for broker in ("Kafka", "RabbitMQ"):
        runs = recorded("failure", f"rolling restart: {broker}, unsafe")
        assert all(each["counts"]["lost"] for each in runs)


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


def test_each_recorded_outbox_was_killed_at_the_points_of_all_three_processes():
    for each in recorded("outbox_killed", "outbox and inbox"):
        killed = [what for _, what in each["timeline"] if " killed before " in what]
        victims = [what.split()[0] for what in killed]
        assert len(set(killed)) == each["counts"]["points struck on each"]
        points = [victims.count(who) for who in ("service", "relay", "consumer")]
        assert points == [4, 5, 6]


def test_each_recorded_dual_write_went_wrong_at_the_one_point_between_the_writes():
    for order, point, verdict in (
        ("commit, then publish", "publishes", "lost"),
        ("publish, then commit", "commits", "invented"),
    ):
        for each in recorded("outbox_killed", order):
            wrong = [what for _, what in each["timeline"] if what.endswith(verdict)]
            assert wrong == [f"service killed before it {point}: {verdict}"]


def test_each_recorded_queue_was_lost_if_it_was_younger_than_a_second():
    for variant in ("at once", "0.8 s", "1.2 s", "2 s"):
        for each in recorded("young_quorum_queue", variant):
            if (age := each["seconds"]["age when killed"]) < 0.95:
                assert each["counts"]["lost"] == 500
            elif age > 1.15:
                assert each["counts"]["lost"] == 0


def test_the_page_says_up_to_which_age_a_recorded_queue_was_lost():
    lost, kept = [], []
    for variant in ("at once", "0.8 s", "1.2 s", "2 s"):
        for each in recorded("young_quorum_queue", variant):
            ages = lost if each["counts"]["lost"] == 500 else kept
            ages.append(each["seconds"]["age when killed"])
    page = (BOOK / "rabbitmq_concepts" / "index.md").read_text()
    assert f"Up to {max(lost):.2f} seconds every confirmed order was gone" in page
    assert f"from {min(kept):.1f} seconds none" in page


@pytest.mark.parametrize("variant", VERDICTS["crash_points"])
def test_the_recorded_runs_of_a_crash_point_tell_one_story(variant):
    runs = recorded("crash_points", variant)
    stories = {tuple(event for _, event in each["timeline"]) for each in runs}
    assert len(stories) == 1


# The page names these ratios too, which are not over 2 in each run.
CONFIRMED = ("send 1000, 100 unconfirmed", "send 1000, no confirms")
WAITED = tuple(
    f"1000 waits for a confirm, {way}" for way in ("100 unconfirmed", "one by one")
)


@pytest.mark.parametrize(("name", "variant"), SLOWER)
def test_the_page_says_how_many_times_slower_it_was_in_the_recorded_runs(name, variant):
    page = (BOOK / "delivery_guarantees" / "index.md").read_text()
    for slow, quick in (*SLOWER[name, variant], CONFIRMED, WAITED):
        runs = [each["seconds"] for each in recorded(name, variant)]
        times = sorted(each[slow] / each[quick] for each in runs)
        said = f"({times[0]:.0f} to {times[-1]:.0f})"
        assert f"{median_low(times):.0f} times {said}" in page


@pytest.mark.parametrize("variant", VERDICTS["cost_of_a_guarantee"])
def test_an_order_of_a_recorded_window_waited_longer_for_its_confirm(variant):
    for each in recorded("cost_of_a_guarantee", variant):
        alone, shared = (
            each["seconds"][f"1000 waits for a confirm, {way}"]
            for way in ("one by one", "100 unconfirmed")
        )
        assert alone < shared

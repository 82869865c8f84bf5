"""Each variant of each lab on RabbitMQ is run once and ends as the page says."""

import pytest
from brokers import labs
from lab_verdicts import assert_verdict, clusters, runs_on


@pytest.fixture(scope="module")
def running():
    with clusters() as start:
        yield start


@pytest.mark.parametrize(("name", "variant"), runs_on("rabbitmq"))
def test_a_run_of_the_lab_ends_as_the_page_says(running, name, variant):
    assert_verdict(running, name, variant)


def test_a_young_queue_is_lost_as_well_when_all_three_nodes_are_killed(running):
    lab = labs.load("young_quorum_queue")
    three = running(labs.load("quorum_leader_killed"))
    assert labs.once(lab, three, "at once")["counts"]["lost"] == 500
    assert labs.once(lab, three, "2 s")["counts"]["lost"] == 0

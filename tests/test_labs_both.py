"""Each variant of a lab on both brokers is run once and ends as the page says.

Of the lab `failure`, which takes minutes, only those that `LIVE` names are.
"""

import pytest
from lab_verdicts import assert_verdict, clusters, runs_on


@pytest.fixture(scope="module")
def running():
    with clusters() as start:
        yield start


@pytest.mark.parametrize(("name", "variant"), runs_on("kafka", "rabbitmq"))
def test_a_run_of_the_lab_ends_as_the_page_says(running, name, variant):
    assert_verdict(running, name, variant)

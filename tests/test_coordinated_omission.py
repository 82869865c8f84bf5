"""A stall of the broker hides from whoever waits for each answer."""

from threading import Thread

import pytest
from brokers import kafka as start_kafka
from brokers import rabbitmq as start_rabbitmq
from kafka_versus_rabbitmq import (
    coordinated_omission_kafka,
    coordinated_omission_rabbitmq,
)

PROGRAMS = {
    "kafka": (start_kafka, coordinated_omission_kafka),
    "rabbitmq": (start_rabbitmq, coordinated_omission_rabbitmq),
}


@pytest.fixture(scope="module", params=PROGRAMS)
def waits(request):
    """The waits through a stall, closed-loop and open-loop, since sent and planned."""
    start, program = PROGRAMS[request.param]
    found = {}
    with start() as broker:
        for name, closed in (("closed", True), ("open", False)):
            stall = Thread(target=program.freeze, args=[broker])
            place = broker.address, name, program.RATE, program.COUNT
            sent, planned = program.send_by_the_clock(*place, closed, stall.start)
            stall.join()
            found |= {f"{name}, sent": sent, f"{name}, planned": planned}
    return found


def slow(seconds):
    """Return how many of 100 orders waited for 0.4 seconds or longer."""
    return 100 * sum(each >= 0.4 for each in seconds) / len(seconds)


@pytest.mark.parametrize("way", ["closed, sent", "closed, planned", "open, planned"])
def test_the_longest_wait_shows_the_stall_however_it_is_counted(waits, way):
    assert max(waits[way]) > 0.8


def test_a_sender_that_waits_for_each_answer_hides_the_stall_from_the_percentiles(
    waits,
):
    assert slow(waits["closed, sent"]) < 5


@pytest.mark.parametrize("way", ["closed, planned", "open, planned"])
def test_who_counts_from_the_planned_time_sees_the_stall(waits, way):
    assert slow(waits[way]) > 8


def test_a_percentile_is_the_wait_that_so_many_do_not_exceed():
    for program in (coordinated_omission_kafka, coordinated_omission_rabbitmq):
        waits = range(1, 1001)
        found = [program.percentile(waits, share) for share in (50, 99, 99.9, 100)]
        assert found == [500, 990, 999, 1000]

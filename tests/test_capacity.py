"""The capacity calculator's formulas, and that it is whole without its script."""

import zipfile

import pytest
from bs4 import BeautifulSoup
from capacity_calculator import (
    FIELDS,
    RESULTS,
    beginning,
    computed,
    number,
    time,
    verdict,
    words,
)
from sphinx_build import build, page, write

PAGE = "# Capacity\n\nA system has a load.\n\n:::{capacity-calculator}\n:::\n"


def of(**given):
    """Return the numbers of the example with other inputs."""
    return computed(beginning() | given)


def said(**given):
    return words(beginning() | given)


def test_group_has_no_more_busy_consumers_than_partitions():
    assert of(consumers=6, partitions=4)["busy"] == 4
    assert of(consumers=3, partitions=4)["busy"] == 3


def test_load_is_the_arrival_rate_over_the_capacity():
    # 6 consumers with 4 ms for a message take 1500 messages/s.
    assert of(rate=1200, consumers=6, service=4)["capacity"] == 1500
    assert of(rate=1200, consumers=6, service=4)["load"] == 0.8


def test_ten_minutes_at_a_thousand_a_second_leave_600_000_and_drain_in_20_minutes():
    found = of(rate=1000, outage=10, consumers=6, service=4)
    assert (found["backlog"], found["drain"]) == (600_000, 1200)


def test_lag_in_time_is_the_backlog_over_the_capacity():
    # 60,000 messages at 2000/s take 30 s.
    assert of(rate=1000, outage=1, consumers=2, service=1)["lag"] == 30


def test_wanted_drain_time_needs_so_many_consumers():
    # 600,000 in 10 minutes are 1000/s, on top of the 1000/s that arrive.
    assert of(wanted=10, service=4)["needed"] == 8
    assert of(wanted=10, service=4.1)["needed"] == 9


def test_in_flight_is_the_rate_times_the_time_of_each():
    # Little's law: 1000/s, each for 14 ms.
    assert of(service=4, round_trip=10)["in_flight"] == 14


def test_prefetch_covers_the_round_trip():
    # In 14 ms a consumer could have done 3.5 messages of 4 ms.
    assert of(service=4, round_trip=10)["prefetch_needed"] == 4


def test_small_prefetch_makes_a_consumer_wait():
    # 6 consumers get one message each 14 ms.
    assert of(prefetch=1, service=4, round_trip=10)["prefetch_rate"] == 6 / 0.014
    assert of(prefetch=4, service=4, round_trip=10)["prefetch_rate"] == 1500


def test_slow_records_lose_the_consumer_its_place_in_the_group():
    assert of(poll=500, service=599)["poll_time"] == 299.5
    assert said(poll=500, service=599)["poll_time"] == "4.99 min of 300 s"
    lost = "5 min of 300 s: the group loses the consumer"
    assert said(poll=500, service=600)["poll_time"] == lost


def test_kafka_keeps_all_that_arrived_in_the_retention():
    # 1000/s of 1000 bytes are 86.4 GB a day.
    found = of(rate=1000, size=1000, retention=7, replication=3, headroom=0)
    assert found["kafka_disk"] == 7 * 3 * 86.4e9
    half_free = of(rate=1000, size=1000, retention=7, replication=3, headroom=50)
    assert half_free["kafka_disk"] == 2 * 7 * 3 * 86.4e9


def test_queue_keeps_the_backlog_only():
    assert of(rate=1000, outage=10, size=1000, replication=3)["queue"] == 1.8e9


@pytest.mark.parametrize("rate", [1500, 2000])
def test_system_with_a_load_of_one_or_more_never_drains(rate):
    given = beginning() | {"rate": rate}
    assert computed(given)["drain"] is None
    assert words(given)["drain"] == "it never drains"
    least = {1500: 7, 2000: 9}[rate]
    assert verdict(given) == (
        "The load is 1 or more, so the system is unstable: it never drains. "
        f"It needs at least {least} busy consumers."
    )


def test_consumers_that_the_verdict_asks_for_make_the_system_stable():
    assert of(rate=1500, consumers=7)["load"] < 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.001, "below 0.01"),
        (0.125, "0.13"),
        (0.8, "0.8"),
        (14, "14"),
        (12.34, "12.3"),
        (1234567.5, "1,234,568"),
    ],
)
def test_number_has_about_three_digits(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.5, "500 ms"),
        (119, "119 s"),
        (1200, "20 min"),
        (7200, "2 h"),
        (172_800, "2 days"),
    ],
)
def test_time_is_in_the_unit_that_suits_it(seconds, text):
    assert time(seconds) == text


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """A small book with a calculator on one page of two, on the web and as an ePub."""
    contents = "\n:::{toctree}\nother\n:::\n"
    files = {
        "book/index.md": PAGE + contents,
        "book/other.md": "# Other\n\nNothing is computed here.\n",
    }
    folder = write(tmp_path_factory.mktemp("book"), files)
    built = {builder: build(folder, builder) for builder in ("html", "epub")}
    assert [each.warnings for each in built.values()] == ["", ""]
    return {builder: each.output for builder, each in built.items()}


def tables(parsed):
    """Return the last text of each row of both tables."""
    return [
        [row.select("th, td")[-1].text.strip() for row in each.select("tbody tr")]
        for each in parsed.select(".capacity-calculator table")
    ]


def test_tables_hold_the_example(sample):
    given, results = tables(page(sample["html"], "index.html"))
    assert len(given) == len(FIELDS)
    assert results == list(said().values())
    assert len(results) == len(RESULTS)


def test_each_result_shows_its_formula(sample):
    _, results = page(sample["html"], "index.html").select("table")
    shown = [code.text for code in results.select("th code")]
    assert shown == [formula for _, formula in RESULTS.values()]


def test_controls_are_hidden_until_the_script_runs(sample):
    controls = page(sample["html"], "index.html").select_one("fieldset")
    assert controls.has_attr("hidden")
    values = {each["name"]: float(each["value"]) for each in controls.select("input")}
    assert values == beginning()


def test_only_a_page_with_a_calculator_loads_its_script(sample):
    script = "script[src*='capacity_calculator.js']"
    assert len(page(sample["html"], "index.html").select(script)) == 1
    assert not page(sample["html"], "other.html").select(script)


def test_epub_has_the_tables_and_no_script(sample):
    with zipfile.ZipFile(sample["epub"] / "proof-of-delivery.epub") as book:
        chapter = BeautifulSoup(book.read("index.xhtml"), "html.parser")
    assert tables(chapter) == tables(page(sample["html"], "index.html"))
    assert not chapter.select("script, fieldset, input")

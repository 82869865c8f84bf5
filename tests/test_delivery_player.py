"""The delivery player shows what the lab recorded, and is whole without its script."""

import json

import pytest
from crash_runs import FILES, LOSES
from delivery_player import GUARANTEES, kills
from labs.crash_points import VARIANTS
from sphinx_build import build, page, write


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write(tmp_path_factory.mktemp("book"), FILES)


@pytest.fixture(scope="module", params=["html", "epub"])
def player(request, folder):
    name = {"html": "index.html", "epub": "index.xhtml"}[request.param]
    return page(build(folder, request.param).output, name).select_one(".player")


@pytest.fixture(scope="module")
def controls(folder):
    output = build(folder).output
    return page(output, "index.html").select_one(".player > fieldset")


def rows(table):
    return [[cell.text.strip() for cell in row(["th", "td"])] for row in table("tr")]


def test_each_guarantee_has_a_table_of_the_six_kills_on_both_brokers(player):
    tables = player.select("table:not(.timeline)")
    assert len(tables) == 3
    for table in tables:
        assert len(rows(table)) == 7
        assert rows(table)[0] == ["killed", "Kafka", "RabbitMQ"]


def test_cell_says_what_became_of_the_order(player):
    table = player.select("table:not(.timeline)")[0]
    assert rows(table)[2] == [
        "the sender, after it marks it, before it sends it",
        "lost",
        "once",
    ]


def test_cell_says_so_if_runs_differ(player):
    table = player.select("table:not(.timeline)")[1]
    assert rows(table)[5][2] == "once in 1 of 2, twice in 1 of 2"


def test_runs_of_the_kills_between_two_steps_are_on_the_page(player):
    timelines = player.select("table.timeline")
    assert len(timelines) == 6
    assert rows(timelines[0])[1] == ["0.10", "the sender starts"]
    assert rows(timelines[0])[2] == ["0.50", f"{LOSES}: 0"]


def test_script_gets_a_run_of_each_variant(controls):
    runs = json.loads(controls["data-runs"])
    assert len(runs) == len(VARIANTS)
    assert {each["kill"] for each in runs if each["guarantee"] == "at most once"} == {
        *kills("at most once").values()
    }
    assert {each["guarantee"] for each in runs} == {*GUARANTEES}


def test_controls_are_hidden_until_the_script_runs(controls):
    assert controls.has_attr("hidden")


def test_epub_has_no_controls_and_no_script(folder):
    output = build(folder, "epub").output
    written = page(output, "index.xhtml")
    assert not written.select("fieldset")
    assert not written.select("script")


def test_missing_recording_is_an_error_that_names_the_command(tmp_path):
    book = write(tmp_path, {"book/index.md": FILES["book/index.md"]})
    assert "nox -s lab -- crash_points --times 20 --record" in build(book).warnings

"""What a reader gets of a lab: progress and a report beside the book's figures."""

import json

import pytest
from brokers import labs
from bs4 import BeautifulSoup
from labs.checker import Outcome
from labs.summary import groups

CONDITIONS = {
    "date": "2026-11-24",
    "machine": "x86_64, 2 cores",
    "brokers": {"kafka": "4.3.1"},
    "clients": {"kafka-python": "3.0.12"},
}


class Lab:
    """What is `run` here breaks nothing: these are tests of the report alone."""

    BROKERS, CLIENTS = {}, ("kafka-python",)
    VARIANTS = ("leader killed: safe", "leader killed: unsafe")

    @staticmethod
    def run(brokers, variant, note):
        note("an order is <sent>")
        return Outcome(None, {"lost": 3}, {"longest gap": 1.5})


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the lab twice; the book has one run of its first variant."""
    lab = type("Lab", (Lab,), {"__doc__": "A leader is killed.\n\nIt is watched."})
    book = {
        "variant": "leader killed: safe",
        "counts": {"lost": 7},
        "seconds": {},
        "timeline": [],
    }
    recorded = {**CONDITIONS, "times": 1, "runs": [book]}
    (tmp_path / "a_lab.json").write_text(json.dumps(recorded))
    monkeypatch.setattr(labs, "load", lambda name: lab)
    monkeypatch.setattr(labs, "LABS", tmp_path)
    monkeypatch.setattr(labs, "REPORTS", tmp_path / "reports")

    def run(record=False):
        labs.run("a_lab", 2, record)

    run.lab, run.folder = lab, tmp_path
    return run


def page(run):
    text = (run.folder / "reports" / "a_lab.html").read_text()
    return BeautifulSoup(text, "html.parser")


def rows(table):
    return [[cell.text.strip() for cell in row(["th", "td"])] for row in table("tr")]


def test_the_text_shows_the_runs_above_those_of_the_book(run, capsys):
    run()
    lines = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert ["leader killed", "safe", "unsafe"] in cells
    at = cells.index(["lost", "3", "3"])
    assert cells[at + 1] == ["in the book", "7", "none"]


def test_the_page_shows_the_runs_above_those_of_the_book(run):
    run()
    table = page(run).find("caption", string="leader killed").parent
    assert rows(table) == [
        ["Counted", "safe", "unsafe"],
        ["lost", "3", "3"],
        ["lost in the book", "7", "none"],
        ["longest gap", "1.50 s", "1.50 s"],
    ]


def test_the_page_says_on_what_both_were_run(run):
    run()
    what = {row[0]: row[1:] for row in rows(page(run).table)}
    assert what["kafka-python"][1] == "3.0.12"
    assert what["Runs of each"] == ["2", "1"]


def test_the_page_has_a_timeline_of_each_variant_as_it_was_noted(run):
    run()
    timelines = page(run)("details")
    assert [each.summary.text for each in timelines] == [*run.lab.VARIANTS]
    assert rows(timelines[0].table)[1][1] == "an order is <sent>"


def test_the_page_needs_no_other_file_and_every_cell_has_a_heading(run):
    run()
    made = page(run)
    assert not made(["script", "link", "img"])
    assert "url(" not in str(made)
    for table in made("table"):
        assert all(head.get("scope") == "col" for head in table.thead("th"))
        assert all(row.th["scope"] == "row" for row in table.tbody("tr"))


def test_each_run_is_announced_with_how_long_the_rest_will_take(run, capsys):
    run()
    said = capsys.readouterr()
    lines = [line for line in (said.out + said.err).splitlines() if "[" in line[:1]]
    assert lines[0] == "[1/4] leader killed: safe"
    assert lines[3] == "[4/4] leader killed: unsafe, 0 s left"


def test_a_lab_that_is_stopped_reports_the_runs_it_has_and_records_none(run, capsys):
    whole = run.lab.run
    before = (run.folder / "a_lab.json").read_text()

    def stopped(brokers, variant, note):
        if variant.endswith(": unsafe"):
            raise KeyboardInterrupt
        return whole(brokers, variant, note)

    run.lab.run = stopped
    with pytest.raises(KeyboardInterrupt):
        run(record=True)
    assert "longest gap" in capsys.readouterr().out
    assert [each.text for each in page(run)("summary")] == ["leader killed: safe"]
    assert (run.folder / "a_lab.json").read_text() == before


def test_variants_without_a_group_stand_four_by_four_at_most():
    assert groups(["a: 1", "a: 2", "b: 1"], most=1) == [
        ("a", ["a: 1", "a: 2"]),
        ("b", ["b: 1"]),
    ]
    assert groups(list("abcde"), most=4) == [("", list("abcd")), ("", ["e"])]

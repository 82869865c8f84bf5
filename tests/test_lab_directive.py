import json

import pytest
from sphinx_build import build, page, write

RUN = {
    "counts": {"sent": 10, "lost": 0},
    "seconds": {"longest gap": 1.5},
    "timeline": [[0.5, "the leader is killed"], [2.0, "everything was read"]],
}
RECORDED = {
    "date": "2026-11-24",
    "machine": "x86_64, 2 cores",
    "brokers": {"kafka": "4.3.1"},
    "clients": {"kafka-python": "3.0.12"},
    "times": 2,
    "runs": [
        {**RUN, "variant": "acks=1"},
        {**RUN, "variant": "acks=all"},
        {**RUN, "variant": "acks=1", "counts": {"sent": 10, "lost": 4}},
        {**RUN, "variant": "acks=all"},
    ],
}
PAGE = "# P\n\n:::{lab} leader_killed\n:::\n"
FILES = {
    "book/index.md": PAGE,
    "examples/labs/leader_killed.json": json.dumps(RECORDED),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write(tmp_path_factory.mktemp("book"), FILES)


@pytest.fixture(scope="module", params=["html", "epub"])
def lab(request, folder):
    name = {"html": "index.html", "epub": "index.xhtml"}[request.param]
    return page(build(folder, request.param).output, name).select_one(".lab")


def rows(table):
    return [[cell.text.strip() for cell in row(["th", "td"])] for row in table("tr")]


def test_counts_have_a_column_for_each_variant(lab):
    assert rows(lab.select_one("table")) == [
        ["counted", "acks=1", "acks=all"],
        ["sent", "10", "10"],
        ["lost", "0 (0 to 4)", "0"],
        ["longest gap", "1.50 s", "1.50 s"],
    ]


def test_one_run_of_each_variant_is_a_timeline(lab):
    timelines = lab.select("table")[1:]
    assert len(timelines) == 2
    assert rows(timelines[0])[1:] == [
        ["0.50", "the leader is killed"],
        ["2.00", "everything was read"],
    ]


def test_how_often_it_ran_on_what_is_said(lab):
    said = "run 2 times on 2026-11-24, with Kafka 4.3.1, kafka-python 3.0.12, on x86_64"
    assert said in lab.text
    assert "python -m nox -s lab -- leader_killed" in lab.text


def test_a_lab_that_was_not_recorded_is_an_error_that_says_what_to_do(tmp_path):
    built = build(write(tmp_path, {"book/index.md": PAGE}))
    assert "examples/labs/leader_killed.json is missing: run" in built.warnings
    assert "--times 20 --record" in built.warnings


GROUPED = {
    **RECORDED,
    "runs": [
        {**RUN, "variant": f"{failure}: {setting}"}
        for failure in ("leader killed", "node paused")
        for setting in ("Kafka, safe", "Kafka, unsafe")
    ],
}
SHORT = """# P

:::{lab} failure
:quantities: lost; longest gap
:::

:::{lab} failure
:variants: leader killed*
:::

:::{lab} failure
:counts-only:
:::
"""


@pytest.fixture(scope="module", params=["html", "epub"])
def grouped(request, tmp_path_factory):
    name = {"html": "index.html", "epub": "index.xhtml"}[request.param]
    files = {"book/index.md": SHORT, "examples/labs/failure.json": json.dumps(GROUPED)}
    built = build(write(tmp_path_factory.mktemp("grouped"), files), request.param)
    return page(built.output, name).select(".lab")


def title(table):
    return table.caption.text.strip().rstrip("#")  # On a web page it has a link.


def test_a_quantity_has_a_row_for_each_group_and_a_column_for_each_setting(grouped):
    lost, gap = grouped[0].select("table")
    assert [title(lost), title(gap)] == ["lost", "longest gap"]
    assert rows(gap) == [
        ["case", "Kafka, safe", "Kafka, unsafe"],
        ["leader killed", "1.50 s", "1.50 s"],
        ["node paused", "1.50 s", "1.50 s"],
    ]


def test_one_group_is_shown_without_the_command_that_stands_above_it(grouped):
    counts, *timelines = grouped[1].select("table")
    assert title(counts) == "leader killed"
    assert rows(counts)[0] == ["counted", "Kafka, safe", "Kafka, unsafe"]
    assert len(timelines) == 2
    assert "nox" not in grouped[1].text


def test_every_group_has_a_table_of_counts_and_timelines_can_be_left_out(grouped):
    assert [title(each) for each in grouped[2].select("table")] == [
        "leader killed",
        "node paused",
    ]


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (":variants: x*", "has no variant like 'x*'"),
        (":quantities: gain", "has no 'gain': it has sent; lost; longest gap."),
    ],
)
def test_what_the_lab_does_not_have_is_an_error(tmp_path, option, said):
    text = f"# P\n\n:::{{lab}} leader_killed\n{option}\n:::\n"
    assert said in build(write(tmp_path, {**FILES, "book/index.md": text})).warnings

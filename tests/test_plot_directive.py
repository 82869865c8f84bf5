"""The plot directive: a drawing and a table of the same figures, on both builders."""

import json

import pytest
from diagram import EPUB_COLOURS
from plot import step
from sphinx_build import build, page, write


def run(variant, rate, memory):
    counts = {"messages a second": rate, "memory, MB": memory}
    return {"variant": variant, "counts": counts, "seconds": {}, "timeline": [[1, "x"]]}


RECORDED = {
    "date": "2026-11-24",
    "machine": "x86_64, 2 cores",
    "brokers": {"kafka": "4.3.1"},
    "clients": {"kafka-python": "3.0.12"},
    "times": 3,
    "runs": [
        run("Kafka sends: base", 20000, 700),
        run("Kafka sends: acks<2", 31000, 700),
        run("RabbitMQ sends: base", 5000, 500),
        run("Kafka sends: base", 24000, 700),
        run("Kafka sends: acks<2", 33000, 710),
        run("RabbitMQ sends: base", 5100, 500),
        run("Kafka sends: base", 22000, 700),
        run("Kafka sends: acks<2", 32000, 720),
        run("RabbitMQ sends: base", 5200, 500),
    ],
}
GROUP = """# P

:::{plot} throughput
:group: Kafka sends
:quantity: messages a second
:columns: memory, MB
:conditions:
:::
"""
TWO = """

:::{plot} throughput
:variants: RabbitMQ sends: base; Kafka sends: base
:quantity: messages a second
:::
"""
FILES = {
    "book/index.md": GROUP + TWO,
    "examples/labs/throughput.json": json.dumps(RECORDED),
}
NAMES = {"html": "index.html", "epub": "index.xhtml"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write(tmp_path_factory.mktemp("book"), FILES)


@pytest.fixture(scope="module", params=["html", "epub"])
def plots(request, folder):
    built = build(folder, request.param)
    assert not built.warnings
    return page(built.output, NAMES[request.param]).select(".plot")


def rows(table):
    return [[cell.text.strip() for cell in row(["th", "td"])] for row in table("tr")]


def test_the_table_has_the_median_and_the_range_of_each_variant_of_the_group(plots):
    assert rows(plots[0].table) == [
        ["variant", "messages a second", "memory, MB"],
        ["base", "22,000 (20,000 to 24,000)", "700"],
        ["acks<2", "32,000 (31,000 to 33,000)", "710 (700 to 720)"],
    ]


def test_variants_can_be_named_one_by_one_in_any_order(plots):
    assert [row[1] for row in rows(plots[1].table)[1:]] == [
        "5,100 (5,000 to 5,200)",
        "22,000 (20,000 to 24,000)",
    ]


def test_the_drawing_has_a_dot_at_each_median_as_far_from_0_as_it_is_large(plots):
    far = [float(dot["cx"]) - 6 for dot in plots[0].svg("circle")]
    assert far[1] / far[0] == pytest.approx(32000 / 22000, rel=0.01)


def test_the_bar_reaches_from_the_least_to_the_most_and_each_run_has_a_line(plots):
    bar, lines = plots[0].svg.select(
        "path[stroke-width='4'], path[stroke-width='4']+*"
    )[:2]
    begin, end = (float(x.lstrip("M").split()[0]) for x in bar["d"].split("H"))
    assert (end - 6) / (begin - 6) == pytest.approx(24000 / 20000, rel=0.01)
    assert lines["d"].count("M") == 3


def test_what_the_drawing_shows_is_said_in_words(plots):
    described = plots[0].svg.find("desc").text
    assert "base 22,000 (20,000 to 24,000); acks<2 32,000" in described
    assert plots[0].svg.find("title").text == "Messages a second"


def test_the_epub_s_drawing_has_colours_that_every_reader_knows(folder):
    built = build(folder, "epub")
    drawing = str(page(built.output, NAMES["epub"]).select_one(".plot svg"))
    assert "var(" not in drawing
    assert EPUB_COLOURS["kafka"] in drawing


def test_the_command_and_the_conditions_are_said_if_asked_for(plots):
    assert "nox -s lab -- throughput" in plots[0].text
    assert "run 3 times on 2026-11-24" in plots[0].text
    assert "nox" not in plots[1].text


def test_a_changed_recording_builds_the_page_anew(tmp_path):
    build(write(tmp_path, FILES))
    runs = [run("Kafka sends: base", 77, 7), run("RabbitMQ sends: base", 78, 7)]
    changed = json.dumps({**RECORDED, "runs": runs})
    write(tmp_path, {"examples/labs/throughput.json": changed})
    built = page(build(tmp_path).output, "index.html")
    assert rows(built.select(".plot table")[0])[1] == ["base", "77", "7"]


@pytest.mark.parametrize(
    "options", [":quantity: speed", ":variants: Kafka\n:quantity: messages a second"]
)
def test_what_the_lab_does_not_have_is_an_error_that_names_the_variants(
    tmp_path, options
):
    text = f"# P\n\n:::{{plot}} throughput\n{options}\n:::\n"
    built = build(write(tmp_path, {**FILES, "book/index.md": text}))
    assert "variants that it has: Kafka sends: base; Kafka sends: acks<2" in (
        built.warnings
    )


@pytest.mark.parametrize(
    ("most", "marks"), [(9, 2), (33000, 10000), (0.4, 0.1), (1, 0.5)]
)
def test_an_axis_has_few_marks_at_round_numbers(most, marks):
    assert step(most) == pytest.approx(marks)

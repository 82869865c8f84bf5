import pytest
from sphinx_build import build, page, write

FILES = {
    "book/index.md": "# Exercises\n\n## One\n\nDo it.\n\n:::{exercise} one\n:::\n\n"
    "## Solution\n\n:::{solution} one\n:::\n",
    "examples/exercises/one/start.py": '"""Do it."""\n\nDONE = False\n',
    "examples/exercises/one/solution.py": '"""Do it."""\n\nDONE = True\n',
    "examples/exercises/one/check.py": 'STARTS_WITH = "It is " "not done."\n',
    "examples/exercises/one/hints.md": "Look at `DONE`.\n\nSee [here](#one).\n",
}


def built(folder, without=(), builder="html", **changes):
    files = {path: text for path, text in FILES.items() if path not in without}
    return build(write(folder, files | changes), builder)


@pytest.fixture(scope="module")
def exercise(tmp_path_factory):
    made = built(tmp_path_factory.mktemp("book"))
    assert made.warnings == ""
    return page(made.output, "index.html")


def test_page_has_the_starting_point_the_command_and_what_the_check_says(exercise):
    blocks = [each.text for each in exercise.select_one("#one").select("pre")]
    assert blocks[0].endswith("DONE = False\n")
    assert blocks[1] == "$ python3 -m nox -s exercises -- one\n"
    assert blocks[2] == "It is not done.\n"


def test_hints_are_closed_and_may_have_links(exercise):
    hints = exercise.select_one("#one details")
    assert not hints.has_attr("open")
    assert hints.summary.text == "Hints"
    assert [each.text for each in hints.select("li p")] == [
        "Look at DONE.",
        "See here.",
    ]
    assert hints.a["href"] == "#one"


def test_solution_is_shown_whole(exercise):
    assert exercise.select_one("#solution pre").text.endswith("DONE = True\n")


def test_epub_has_the_hints_behind_a_link(tmp_path):
    made = page(built(tmp_path, builder="epub").output, "index.xhtml")
    link = made.select_one("#one .to-answer a")
    assert link.text == "→ Hints 1"
    assert "Look at DONE." in made.select_one(link["href"]).text


@pytest.mark.parametrize("file", ["start.py", "check.py", "hints.md", "solution.py"])
def test_missing_file_fails_the_build_with_a_sentence(tmp_path, file):
    path = f"examples/exercises/one/{file}"
    assert f"{path} is missing." in built(tmp_path, [path], "dummy").warnings


def test_check_without_its_first_sentence_fails_the_build(tmp_path):
    changes = {"examples/exercises/one/check.py": "OTHER = 1\n"}
    warnings = built(tmp_path, builder="dummy", **changes).warnings
    assert "The check of 'one' has no STARTS_WITH." in warnings

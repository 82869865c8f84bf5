import json

import pytest
from question_draw import SET, SETS
from sphinx_build import build, page, write
from test_question_directive import question

LEVELS = {"junior": 3, "senior": 20}


def chapter(name):
    """Return the page of a chapter with questions of each level."""
    return f"# {name}\n\n" + "\n".join(
        question(f"{name}-{level}-{number}", level, title=f"{name} {level} {number}?")
        for level, count in LEVELS.items()
        for number in range(count)
    )


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    names = ["a", "b", "c", "d"]
    toctree = "\n".join(f"{name}/index" for name in names)
    pages = {f"book/{name}/index.md": chapter(name) for name in names}
    index = f"# All\n\n:::{{toctree}}\n{toctree}\n:::\n\n:::{{question-draw}}\n:::\n"
    folder = write(tmp_path_factory.mktemp("book"), pages | {"book/index.md": index})
    made = [build(folder), build(folder, "epub")]
    assert [each.warnings for each in made] == ["", ""]
    return made


def sets(made, name):
    drawn = page(made.output, name).select_one(".question-draw")
    return {
        head.text: [item.text.strip() for item in head.find_next("ol").select("li")]
        for head in drawn.select("h3")
    }


def test_sets_are_drawn_while_there_are_enough_and_no_question_comes_twice(drawn):
    found = sets(drawn[0], "index.html")
    assert list(found) == [
        *(f"Junior set {number}" for number in (1, 2)),
        *(f"Senior set {number + 1}" for number in range(SETS)),
    ]
    assert {len(each) for each in found.values()} == {SET}
    every = [title for each in found.values() for title in each]
    assert len(every) == len(set(every))


def test_set_has_a_question_of_each_chapter_before_it_has_two_of_one(drawn):
    for titles in sets(drawn[0], "index.html").values():
        assert {title[0] for title in titles} == set("abcd")


def test_epub_has_the_same_sets_and_no_controls(drawn):
    assert sets(drawn[1], "index.xhtml") == sets(drawn[0], "index.html")
    assert not page(drawn[1].output, "index.xhtml").select("form")


def test_script_is_given_every_question(drawn):
    controls = page(drawn[0].output, "index.html").select_one("fieldset")
    assert controls.has_attr("hidden")
    questions = json.loads(controls["data-questions"])
    assert len(questions) == 4 * sum(LEVELS.values())
    assert ["a junior 0?", "a/index.html#q-a-junior-0", "junior", "a"] in questions

import pytest
from sphinx_build import build, page, write

ITEM = """::::{quiz} Worker 1 died. What does *worker 2* get?
:id: a

It printed `nothing`.

```text
worker 1 died
```

Wrong: Nothing
: It was not acknowledged.

Right: The same `order`
: It was not acknowledged.
  It is marked as redelivered.

Wrong: The next order
: That comes after it.
::::
"""


def built(folder, *items, builder="html"):
    return build(
        write(folder, {"book/index.md": "# P\n\n" + "\n".join(items)}), builder
    )


@pytest.fixture(scope="module")
def item(tmp_path_factory):
    made = built(tmp_path_factory.mktemp("book"), ITEM)
    assert made.warnings == ""
    return page(made.output, "index.html").select_one("section.quiz")


def test_item_is_a_heading_with_its_body(item):
    assert item["id"] == "quiz-a"
    assert item.h2.text.startswith("Worker 1 died. What does worker 2 get?")
    assert item.select_one(".highlight pre").text == "worker 1 died\n"


def test_item_has_its_options_and_behind_them_why_each_is_right_or_wrong(item):
    options = [each.p.text for each in item.select("ol.choices > li")]
    assert sorted(options) == ["Nothing", "The next order", "The same order"]
    assert not item.details.has_attr("open")
    heads = [each.text.strip() for each in item.select("dl.answer-parts > dt")]
    right = options.index("The same order")
    assert [head.endswith(": right") for head in heads] == [
        number == right for number in range(3)
    ]
    said = [each.select("p")[0].text for each in item.select("dl.answer-parts > dd")]
    assert said == options


def test_only_a_script_shows_the_buttons(item):
    assert all(each.has_attr("hidden") for each in item.select("button.choose"))


def test_options_stand_in_an_order_of_their_own(tmp_path):
    items = [ITEM.replace(":id: a", f":id: n{number}") for number in range(20)]
    made = page(built(tmp_path, *items).output, "index.html")
    places = [
        [each.p.text for each in listing.select("li")].index("The same order")
        for listing in made.select("ol.choices")
    ]
    assert set(places) == {0, 1, 2}


def test_epub_has_the_answer_behind_a_link_and_no_button(tmp_path):
    made = page(built(tmp_path, ITEM, builder="epub").output, "index.xhtml")
    there = made.select_one("section.quiz .to-answer a")["href"]
    answer = made.select_one(there)
    assert "It is marked as redelivered." in answer.text
    assert answer.select_one(".to-question a")["href"] == "#quiz-a"
    assert not made.select("button")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (":id: a", ":id: A b", "needs a line ':id: …' of lower-case words"),
        ("Right: ", "Wrong: ", "One option is right. Begin it with 'Right: '"),
        ("Wrong: Nothing\n", "Right: Nothing\n", "One option is right."),
        ("Wrong: Nothing\n: It was not acknowledged.\n", "", "It has 2 options."),
        ("Wrong: The next", "Maybe: The next", "'Maybe: The next order' is no option."),
        (": That comes after it.", ": ", "'Wrong: The next order' has no explanation."),
    ],
)
def test_mistake_fails_the_build_with_a_sentence(tmp_path, old, new, sentence):
    assert old in ITEM
    assert sentence in built(tmp_path, ITEM.replace(old, new)).warnings


def test_item_without_options_fails_the_build(tmp_path):
    source = "::::{quiz} What?\n:id: a\n\nText.\n::::\n"
    assert "It needs options: lines 'Right: …'" in built(tmp_path, source).warnings

"""What a reader can do with a quiz, with the sets, and with the cards in Anki."""

import pytest
from anki.collection import Collection, ImportAnkiPackageRequest
from conftest import HTML, serving
from flashcards import PACKAGE
from sphinx_build import build, write
from test_question_directive import PARTS, question
from test_quiz_directive import ITEM

CARD = {"Card (one-fact): What does `ack` say?": "That it is done."}
LEVELS = [*["junior"] * 8, *["senior"] * 3]
FILES = {
    "book/index.md": "# Book\n\n:::{toctree}\nquiz\nquestions\ndraw\n:::\n",
    "book/quiz.md": "# Quiz\n\nA sentence.\n\n"
    + ITEM
    + ITEM.replace(":id: a", ":id: b").replace("Worker 1 died.", "It died."),
    "book/questions.md": "# Questions\n\n"
    + "\n".join(
        question(f"q{number}", level, title=f"Question {number}?", parts=PARTS | CARD)
        if number == 0
        else question(f"q{number}", level, title=f"Question {number}?")
        for number, level in enumerate(LEVELS)
    ),
    "book/draw.md": "# Draw\n\n:::{question-draw}\n:::\n",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    made = build(write(tmp_path_factory.mktemp("book"), FILES))
    assert made.warnings == ""
    return made.output


@pytest.fixture(scope="module")
def address(built):
    with serving(built) as address:
        yield address


@pytest.fixture
def opened(page, address):
    """A function that opens a page; a fault in a script fails the test."""
    faults = []
    page.on("pageerror", lambda fault: faults.append(fault))

    def opened(name):
        page.goto(f"{address}/{name}.html")
        return page

    yield opened
    assert faults == []


def item(page, name):
    return page.locator(f"#quiz-{name}")


def button(page, name, right):
    return item(page, name).locator(f"button[data-right={str(right).lower()}]").first


def test_choice_opens_the_answer_and_says_what_was_right(opened):
    page = opened("quiz")
    assert item(page, "a").locator("details").get_attribute("open") is None
    button(page, "a", False).click()
    assert item(page, "a").locator("details").get_attribute("open") is not None
    texts = item(page, "a").locator("button.choose").all_inner_texts()
    assert sorted(texts) == ["Right", "Wrong", "Wrong: your choice"]
    assert (
        page.get_by_role("status")
        .inner_text()
        .startswith("1 of 2 answered, 0 of them right.")
    )


def test_first_choice_stays_in_this_browser_until_it_is_forgotten(opened):
    page = opened("quiz")
    button(page, "a", True).click()
    page = opened("quiz")
    status = page.get_by_role("status")
    assert status.inner_text().startswith("1 of 2 answered, 1 of them right.")
    assert button(page, "a", False).is_disabled()
    page.get_by_role("button", name="Forget my answers").click()
    assert status.inner_text().startswith("0 of 2 answered")
    assert button(page, "a", False).is_enabled()


def test_other_things_in_the_storage_do_no_harm(opened):
    page = opened("quiz")
    page.evaluate("localStorage.setItem('quiz', 'not JSON')")
    page = opened("quiz")
    button(page, "b", True).click()
    assert page.get_by_role("status").inner_text().startswith("1 of 2 answered")


def test_choosing_works_from_the_keyboard(opened):
    page = opened("quiz")
    button(page, "a", True).focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_set_is_drawn_by_level_and_time_and_counts_the_points(opened):
    page = opened("draw")
    page.get_by_label("Level").select_option("junior")
    page.get_by_label("Minutes").fill("20")
    page.get_by_role("button", name="Draw").click()
    items = page.locator(".question-draw .player li")
    assert items.count() == 4
    assert all("(junior)" in text for text in items.all_inner_texts())
    assert len({*items.locator("a").all_inner_texts()}) == 4
    items.nth(0).locator("select").select_option("3")
    items.nth(1).locator("select").select_option("1")
    status = page.locator(".question-draw [role=status]")
    assert status.inner_text() == "4 of 6 points for 2 of 4 questions."


def test_set_says_when_there_are_no_more_questions(opened):
    page = opened("draw")
    page.get_by_label("Level").select_option("senior")
    page.get_by_label("Minutes").fill("60")
    page.get_by_role("button", name="Draw").click()
    assert page.locator(".question-draw .player li").count() == 3
    assert page.locator(".question-draw [role=status]").inner_text() == (
        "3 questions, 15 minutes. No more fit."
    )


def imported(package, collection):
    """Import a package into a collection of Anki; return how many notes are new."""
    request = ImportAnkiPackageRequest(package_path=str(package))
    return len(collection.import_anki_package(request).log.new)


def test_anki_imports_the_cards_and_knows_them_the_second_time(tmp_path):
    collection = Collection(str(tmp_path / "collection.anki2"))
    try:
        assert imported(HTML / PACKAGE, collection) >= 250
        assert imported(HTML / PACKAGE, collection) == 0
        decks = {each.name for each in collection.decks.all_names_and_ids()}
        assert "Proof of Delivery::Message queue fundamentals" in decks
        assert "Proof of Delivery::Glossary" in decks
    finally:
        collection.close()

import sqlite3
import zipfile

import pytest
from flashcards import cards_of
from sphinx_build import build, page, write
from test_question_directive import PARTS, question

CARDS = {
    "Card (who-has-it): Who has an order that was not acknowledged?": "The broker.\n"
    "  It waits for `basic.ack`.",
    "Card (two-of-it): What does a second worker get?": "The same order.",
}
FILES = {
    "book/index.md": "# Book\n\n:::{toctree}\nfirst/index\ncards\nglossary\n:::\n",
    "book/first/index.md": f"# First\n\n{question(parts=PARTS | CARDS)}",
    "book/cards.md": "# Cards\n\n:::{anki-package}\n:::\n\n"
    ":::{flashcards} first\n:::\n\n:::{flashcards} glossary\n:::\n",
    "book/glossary.md": "# Glossary\n\n:::{glossary}\nqueue\n"
    "  Where `messages` wait.\n  It can be full.\n:::\n",
}
BACKS = [
    "The broker. It waits for basic.ack.",
    "The same order.",
    "Where messages wait.",
]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    made = build(write(tmp_path_factory.mktemp("book"), FILES))
    assert made.warnings == ""
    return made


def test_cards_are_not_a_part_of_the_answer(built):
    names = [each.text for each in page(built.output, "first/index.html").select("dt")]
    assert "Trap" in names
    assert not any(name.startswith("Card") for name in names)


def test_cards_come_from_the_questions_and_from_the_first_sentence_of_a_term(built):
    cards = cards_of(built.app.env)
    assert [title for title, _ in cards.values()] == ["First", "Glossary"]
    assert cards["glossary"][1] == [
        {"id": "term-queue", "front": "queue", "back": "Where `messages` wait."}
    ]
    assert [card["id"] for card in cards["first"][1]] == ["who-has-it", "two-of-it"]


def test_page_has_the_fronts_and_the_reader_opens_the_backs(built):
    cards = page(built.output, "cards.html").select("details.flashcard")
    assert [card.p.text for card in cards] == BACKS
    assert cards[0]["id"] == "card-who-has-it"
    assert cards[0].p.code.text == "basic.ack"
    assert not any(card.has_attr("open") for card in cards)


def test_page_links_to_the_package(built):
    link = page(built.output, "cards.html").select_one("a[download]")
    assert (built.output / link["href"]).is_file()


def test_package_has_a_deck_for_each_source_and_keeps_the_identifiers(built, tmp_path):
    def notes():
        with zipfile.ZipFile(
            built.output / "_static/proof-of-delivery.apkg"
        ) as package:
            package.extract("collection.anki2", tmp_path)
        with sqlite3.connect(tmp_path / "collection.anki2") as connection:
            return dict(connection.execute("SELECT guid, flds FROM notes"))

    first = notes()
    backs = [fields.split("\x1f")[1] for fields in first.values()]
    assert backs[0] == "The broker. It waits for <code>basic.ack</code>."
    assert len(backs) == len(BACKS)
    built.app.emit("build-finished", None)
    assert notes() == first


def test_epub_has_the_backs_behind_the_fronts_with_links(tmp_path):
    made = build(write(tmp_path, FILES), "epub")
    assert made.warnings == ""
    cards = page(made.output, "cards.xhtml")
    front = cards.select_one("#front-who-has-it")
    back = cards.select_one(front.a["href"])
    assert back.p.text.startswith("The broker.")
    assert back.a["href"] == "#front-who-has-it"
    assert not cards.select("details")

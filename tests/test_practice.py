"""What the part on practice promises in numbers, and the lint of its cards."""

import json
import re
from pathlib import Path

import pytest
from answer_parts import CARD, parts_of, without_cards, words
from brokers.exercises import ORDER
from question_draw import SETS

BOOK = Path(__file__).parents[1] / "book"
PRACTICE = BOOK / "practice"
CHAPTERS = sorted(path.parent.name for path in BOOK.glob("*/questions.md"))
PROBLEMS = re.findall(
    r"^(?!index)(\w+)$",
    (PRACTICE / "design_problems/index.md").read_text().partition("{toctree}")[2],
    re.MULTILINE,
)
SOLVED_APART = [name for name in PROBLEMS if f"{name}_solution" in PROBLEMS]
WHOLE = [name for name in PROBLEMS if not name.endswith("_solution")]
# What a worked problem must have; of the others the solution has what the first lacks.
HEADINGS = {
    *("Requirements", "Estimates", "Two designs", "The decision"),
    *("When each part dies", "What to watch", "What it costs"),
    *("What would change the decision", "Rubric"),
}
YES_NO = re.compile(
    r"(Is|Are|Was|Were|Do|Does|Did|Can|Could|Will|Would|Has|Have|Had|Should|Must|May) "
)
# More than three things: commas between short parts, and a last one with "and" or "or".
LIST = re.compile(r"(?:[^,.;:]{1,40}, ){3,}[^,.;:]{1,40},? (?:and|or) ")


def quiz_items():
    return [
        item
        for chapter in CHAPTERS
        for item in (PRACTICE / f"quizzes/{chapter}.md")
        .read_text()
        .split("::::{quiz} ")[1:]
    ]


def question_cards():
    """Return {id: (front, back)} from the questions of all chapters."""
    found = {}
    for chapter in CHAPTERS:
        source = (BOOK / chapter / "questions.md").read_text()
        for block in re.findall(r"^::::\{question\}.*?^::::$", source, re.S | re.M):
            body = block.splitlines()[1:-1]
            body = [line for line in body if not re.match(r":\w+: ", line)]
            for name, front, _, back in without_cards(parts_of(body))[1]:
                assert name not in found, f"The card '{name}' is there twice."
                found[name] = front, "\n".join(back).strip()
    return found


def glossary_cards():
    """Return {id: (term, first sentence)} from the glossary."""
    entries = re.findall(
        r"^([^\s:].*)\n  (.+)", (BOOK / "glossary.md").read_text(), re.MULTILINE
    )
    return {f"term-{term}": (term, sentence) for term, sentence in entries}


CARDS = question_cards()


def test_there_are_ten_design_problems_and_four_keep_their_solution_apart():
    assert len(WHOLE) == 10
    assert len(SOLVED_APART) == 4
    assert all((PRACTICE / f"design_problems/{name}.md").is_file() for name in PROBLEMS)


@pytest.mark.parametrize("name", WHOLE)
def test_design_problem_has_all_its_parts_and_a_figure(name):
    names = [name, f"{name}_solution"] if name in SOLVED_APART else [name]
    text = "\n".join(
        (PRACTICE / f"design_problems/{each}.md").read_text() for each in names
    )
    assert {*re.findall(r"^## (.+)$", text, re.MULTILINE)} >= HEADINGS
    assert f"{{diagram}} ../figures/{name}.svg" in text
    for level in ("Junior", "Senior", "Staff"):
        assert f"\n{level}\n: " in text


def test_there_are_at_least_twelve_exercises_and_the_pages_show_each():
    assert len(ORDER) >= 12
    for page, directive in (
        ("exercises", "exercise"),
        ("exercises_solutions", "solution"),
    ):
        text = (PRACTICE / f"{page}.md").read_text()
        assert re.findall(rf"\{{{directive}\}} (\w+)", text) == [*ORDER]


def test_there_are_at_least_a_hundred_quiz_items_and_each_has_its_own_id():
    items = quiz_items()
    assert len(items) >= 100
    names = [re.search(r"^:id: (.+)$", item, re.MULTILINE)[1] for item in items]
    assert len(names) == len(set(names))


def test_most_quiz_items_ask_why_or_show_what_was_recorded():
    asking = [
        item for item in quiz_items() if "```" in item or re.match(".*[Ww]hy", item)
    ]
    assert len(asking) > len(quiz_items()) / 2


def test_there_are_at_least_250_flashcards():
    assert len(CARDS) + len(glossary_cards()) >= 250


@pytest.mark.parametrize("name", CARDS)
def test_card_of_a_question_asks_for_one_fact(name):
    front, back = CARDS[name]
    assert CARD.fullmatch(f"Card ({name}): {front}")
    assert front.endswith("?")
    assert not YES_NO.match(front)
    assert words(front) <= 30
    assert 0 < words(back) <= 35
    assert not re.search(r"^(?:[-*]|\d+[.)]) |\]\(|\{term\}|\*", back, re.MULTILINE)
    assert not LIST.search(back)


def test_card_of_a_term_is_one_sentence():
    for term, sentence in glossary_cards().values():
        assert words(sentence) <= 35, term


def test_there_are_two_mock_interviews_with_the_notes_of_the_interviewer():
    text = (PRACTICE / "mock_interviews.md").read_text()
    interviews = re.split(r"^## (?:Senior|Staff): ", text, flags=re.MULTILINE)[1:]
    assert len(interviews) == 2
    for interview in interviews:
        assert interview.count("> **Candidate.**") >= 8
        assert "### What was written at the end" in interview


def test_there_are_plans_for_one_three_and_six_weeks():
    headings = re.findall(
        r"^## (.+)$", (PRACTICE / "plans.md").read_text(), re.MULTILINE
    )
    assert {"One week", "Three weeks", "Six weeks"} <= {*headings}


def test_the_plans_name_exercises_and_sets_that_there_are():
    plans = (PRACTICE / "plans.md").read_text()
    assert {*re.findall(r"`([a-z]+_[a-z_]+)`", plans)} <= {*ORDER}
    named = re.findall(r"(?:junior|senior|staff) sets? ([\d, and to]+)", plans)
    numbers = {int(number) for each in named for number in re.findall(r"\d", each)}
    assert numbers == {*range(1, SETS + 1)}


def test_the_table_of_defaults_has_each_client():
    path = BOOK.parent / "examples/brokers/client_defaults.json"
    versions = json.loads(path.read_text())["versions"]
    assert [*versions] == ["Java", "librdkafka", "kafka-python", "pika", "RabbitMQ"]

import json

import pytest
from question_bank import questions_of
from sphinx_build import build, copy_of_the_sample, page, write

PARTS = {
    "Signal": "Signal.",
    "Short answer": "Short.",
    "Junior": "Junior.",
    "Senior": "Senior.",
    "Staff": "Staff.",
    "When it fails": "Fails.",
    "Evidence": "Evidence.",
    "Follow-up: One?": "One.",
    "Follow-up: Two?": "Two.",
    "Trap": "Trap.",
}
SHORT = "Question 'a': the short answer has 76 words. Cut it to 75"


def question(
    identifier="a", level="junior", topics="loss", parts=PARTS, title="What then?"
):
    body = "\n".join(f"{term}\n: {text}" for term, text in parts.items())
    options = f":id: {identifier}\n:level: {level}\n:topics: {topics}\n"
    return f"::::{{question}} {title}\n{options}\n{body}\n::::\n"


def without(*names):
    return {term: text for term, text in PARTS.items() if term not in names}


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return build(copy_of_the_sample(tmp_path_factory.mktemp("book")))


@pytest.fixture(scope="module")
def first(sample):
    return page(sample.output, "fundamentals/questions.html").select_one(
        "section.question"
    )


def test_question_is_a_heading_with_a_permanent_link(first):
    assert first["id"] == "q-ack-before-work"
    assert first.h2.text.startswith(
        "You acknowledge before the work is done. What can go wrong?"
    )
    assert first.h2.em.text == "before"
    assert first.h2.select_one("a.headerlink")["href"] == "#q-ack-before-work"


def test_level_and_topics_stand_under_the_question(first):
    assert first.select_one(".question-facts").text == "junior acknowledgement loss"


def test_answer_opens_without_a_script(first):
    answer = first.select_one("details")
    assert answer.summary.text == "Answer"
    assert not answer.has_attr("open")
    assert answer.select_one("dl")
    assert not first.select("script, [onclick]")


def test_answer_has_its_parts_under_their_names(first):
    names = [term.text for term in first.select("dl.answer-parts > dt")]
    assert names == [
        *["Signal", "Short answer", "Junior", "Senior", "Staff", "When it fails"],
        *["Kafka", "RabbitMQ", "Evidence", "Follow-up", "Follow-up", "Trap"],
    ]


def test_part_may_run_over_lines_paragraphs_and_blocks(first):
    short, senior, second = first.select(
        "dd.part-short-answer, dd.part-senior, dd.part-follow-up"
    )[:3]
    assert short.p.text.endswith("nobody sends it again.")
    assert [p.text for p in senior.select("p")][
        1
    ] == "Names auto_ack as the same mistake."
    assert second.select_one("p.follow-up").text == "The prefetch is 1. What changes?"
    assert first.select_one("dd .highlight-python pre").text.startswith(
        "channel.basic_ack"
    )


def test_question_can_be_linked_to_by_its_id(sample):
    links = page(sample.output, "fundamentals/index.html").select(
        "article p a.internal"
    )
    found = {link["href"]: link.text for link in links}
    assert found["questions.html#q-who-deletes"] == "Who deletes a record from Kafka?"
    assert "questions.html#q-ack-before-work" in found


def test_questions_are_plain_data_in_reading_order(sample):
    first, second = json.loads(json.dumps(questions_of(sample.app.env)))
    assert (first["id"], second["id"]) == ("ack-before-work", "who-deletes")
    assert (
        first["title"] == "You acknowledge before the work is done. What can go wrong?"
    )
    assert first["level"] == "junior"
    assert first["topics"] == ["acknowledgement", "loss"]
    assert first["docname"] == "fundamentals/questions"
    follow_up = next(part for part in first["parts"] if part["name"] == "Follow-up")
    assert follow_up["question"] == "The prefetch is 1. What changes?"
    assert follow_up["markdown"] == "At most **one** order is lost."
    assert follow_up["text"] == "At most one order is lost."


def test_index_lists_every_question_by_chapter_level_and_topic(sample):
    index = page(sample.output, "questions.html")
    assert index.select_one(".question-count").text == (
        "2 questions: 1 for junior level, 0 for senior level, 1 for staff level."
    )
    found = {}
    for section in index.select("section section"):
        for heading in section.select("h3"):
            links = [a["href"] for a in heading.find_next("ul").select("a")]
            found[section.h2.text.rstrip("#"), heading.text] = links
    one = "fundamentals/questions.html#q-ack-before-work"
    two = "fundamentals/questions.html#q-who-deletes"
    assert found == {
        ("By chapter", "Fundamentals (2)"): [one, two],
        ("By level", "Junior (1)"): [one],
        ("By level", "Staff (1)"): [two],
        ("By topic", "acknowledgement (1)"): [one],
        ("By topic", "loss (2)"): [one, two],
        ("By topic", "retention (1)"): [two],
    }


def test_index_follows_a_changed_page(tmp_path):
    index = "# Book\n\n:::{toctree}\na\nall\n:::\n"
    write(tmp_path, {"book/index.md": index, "book/a.md": f"# A\n\n{question()}"})
    write(tmp_path, {"book/all.md": "# All\n\n:::{question-index}\n:::\n"})
    assert build(tmp_path).warnings == ""
    write(tmp_path, {"book/a.md": f"# A\n\n{question(identifier='b', title='Other?')}"})
    again = build(tmp_path)
    assert again.warnings == ""
    links = page(again.output, "all.html").select("section section a[href*='#q-']")
    assert {link["href"] for link in links} == {"a.html#q-b"}


def test_parallel_reading_loses_no_question(tmp_path):
    names = [f"page{number}" for number in range(8)]
    toctree = ":::{toctree}\n" + "\n".join(names) + "\n:::\n"
    write(
        tmp_path, {"book/index.md": f"# All\n\n{toctree}\n:::{{question-index}}\n:::\n"}
    )
    for name in names:
        write(tmp_path, {f"book/{name}.md": f"# {name}\n\n{question(identifier=name)}"})
    built = build(tmp_path, "dummy", parallel=2)
    assert built.warnings == ""
    assert [q["id"] for q in questions_of(built.app.env)] == names


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (
            question(identifier="Not an id"),
            "'What then?' needs a line ':id: …' of lower-case",
        ),
        (
            question(level="expert"),
            "':level:' is one of junior, senior, staff, not 'expert'.",
        ),
        (question(topics=" "), "Question 'a' needs a line ':topics: …'"),
        (
            question().replace(":topics: loss\n", ""),
            "Question 'a' needs a line ':topics: …'",
        ),
        (question().replace(":id: a\n", ""), "'What then?' needs a line ':id: …'"),
        (question().replace(":level: junior\n", ""), "':level:' is one of"),
        *(
            (
                question(parts=without(name)),
                f"Question 'a': The part '{name}' is missing.",
            )
            for name in PARTS
            if not name.startswith("Follow-up")
        ),
        (
            question(parts=without("Follow-up: One?")),
            "There must be 2 follow-ups, not 1.",
        ),
        (
            question(parts=PARTS | {"Follow-up: Three?": "3."}),
            "must be 2 follow-ups, not 3.",
        ),
        (question(parts=PARTS | {"Follow-up:": "3."}), "A follow-up has no question."),
        (
            question(parts=PARTS | {"Hint": "No."}),
            "'Hint' is no part of an answer. The parts are",
        ),
        (
            question().replace("Trap\n", "Signal\n: 2.\nTrap\n"),
            "The part 'Signal' is there twice.",
        ),
        (
            question(parts=PARTS | {"Kafka": "K."}),
            "is a part 'Kafka' and no part 'RabbitMQ'.",
        ),
        (
            question(parts=PARTS | {"RabbitMQ": "R."}),
            "is a part 'RabbitMQ' and no part 'Kafka'.",
        ),
        (question(parts=PARTS | {"Short answer": "word " * 76}), SHORT),
        (
            question().replace("Signal\n", "Some text.\n\nSignal\n", 1),
            "'Some text.' stands before",
        ),
        (question() + question(), "The question id 'a' is already in index, line 3."),
        (f":::::{{note}}\n{question()}:::::\n", "Question 'a' stands inside a box"),
    ],
)
def test_mistake_fails_the_build_with_a_sentence(tmp_path, source, sentence):
    write(tmp_path, {"book/index.md": f"# Page\n\n{source}"})
    assert sentence in build(tmp_path, "dummy").warnings


def test_short_answer_of_75_rendered_words_passes(tmp_path):
    text = "[one](https://example.org/a) — *two* `three` " + "word " * 72
    write(
        tmp_path,
        {"book/index.md": f"# P\n\n{question(parts=PARTS | {'Short answer': text})}"},
    )
    assert build(tmp_path, "dummy").warnings == ""


def test_id_taken_on_another_page_fails_the_build(tmp_path):
    one = f"# One\n\n{question()}\n:::{{toctree}}\ntwo\n:::\n"
    write(tmp_path, {"book/index.md": one, "book/two.md": f"# Two\n\n{question()}"})
    warnings = build(tmp_path, "dummy").warnings
    assert "The question id 'a' is already in index, line 3." in warnings


def test_question_may_move_to_another_page(tmp_path):
    toctree = ":::{toctree}\nb\n:::\n"
    write(
        tmp_path,
        {"book/index.md": f"# A\n\n{toctree}", "book/b.md": f"# B\n\n{question()}"},
    )
    build(tmp_path, "dummy")
    write(
        tmp_path,
        {"book/index.md": f"# A\n\n{question()}\n{toctree}", "book/b.md": "# B\n"},
    )
    again = build(tmp_path, "dummy")
    assert again.warnings == ""
    assert [q["docname"] for q in questions_of(again.app.env)] == ["index"]


def test_warning_inside_a_part_names_its_line(tmp_path):
    source = question(parts=PARTS | {"Trap": "{nonsense}`x`"})
    write(tmp_path, {"book/index.md": f"# P\n\n{source}"})
    line = (f"# P\n\n{source}").splitlines().index(": {nonsense}`x`") + 1
    assert f"index.md:{line}: " in build(tmp_path, "dummy").warnings

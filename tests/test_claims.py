import pytest
from sphinx_build import build, page, write
from test_question_directive import PARTS, question

PROGRAM = "def main(url, queue='orders'):\n    print('one')\n"
SOURCE = "https://kafka.apache.org/43/design/"
REGISTER = "# Book\n\n:::{toctree}\nfirst/index\n:::\n\n:::{claims-register}\n:::\n"


def built(folder, text):
    files = {
        "book/index.md": REGISTER,
        "book/first/index.md": f"# First\n\n{text}\n",
        "examples/first/keeps_rabbitmq.py": PROGRAM,
        "examples/brokers/harness_node.py": "",
    }
    return build(write(folder, files))


def claims(made):
    """Return [(claim, [what it rests on])] from the register."""
    return [
        (
            row.th.select("p")[0].text,
            [each.text for each in row.td.select("p")],
        )
        for row in page(made.output, "index.html").select("tbody tr")
    ]


@pytest.mark.parametrize(
    "claim",
    [
        "It is on since 3.0.",
        "It is new in 4.3.",
        "It stays for seven days by default.",
        "The default is 5.",
        "Only Kafka 4.4 has it.",
        "It came with KIP-848.",
    ],
)
def test_sentence_about_a_version_or_a_default_is_a_claim(tmp_path, claim):
    made = built(tmp_path, f"One more.\n{claim}\nIt costs 4.5 ms. [A]({SOURCE})\n")
    assert made.warnings == ""
    assert claims(made) == [(claim, ["A"])]


def test_claim_rests_on_what_its_own_sentence_names(tmp_path):
    text = f"It is so since 4.0 (`test_it`).\nThat is new in 4.2 ([notes]({SOURCE})).\n"
    assert claims(built(tmp_path, text)) == [
        ("It is so since 4.0.", ["test_it"]),
        ("That is new in 4.2.", ["notes"]),
    ]


def test_claim_rests_on_a_program_and_not_on_any_other_code(tmp_path):
    text = "Since 4.0 `x` is on.\n\nSee `keeps_rabbitmq`, `harness` and `y`.\n"
    assert claims(built(tmp_path, text)) == [("Since 4.0 x is on.", ["keeps_rabbitmq"])]


def test_claim_in_an_answer_rests_on_the_evidence_of_the_answer(tmp_path):
    parts = PARTS | {"Junior": "On since 3.0.", "Evidence": "`test_it`"}
    made = built(tmp_path, question(parts=parts))
    assert claims(made) == [("On since 3.0.", ["test_it"])]


def test_claim_in_a_table_has_the_names_of_its_row_and_column(tmp_path):
    rows = "| what | Kafka |\n| --- | --- |\n| time | 7 days by default |\n"
    text = f"{rows}\nAs `test_it`.\n"
    assert claims(built(tmp_path, text)) == [
        ("time: Kafka: 7 days by default", ["test_it"])
    ]


def test_claim_does_not_rest_on_a_section_below_its_own(tmp_path):
    text = "On since 3.0.\n\n## Deeper\n\n`test_it`\n"
    sentence = (
        "'On since 3.0.' is bound to a version or a default and rests on nothing."
    )
    assert sentence in built(tmp_path, text).warnings


def test_claim_may_be_the_text_of_a_link_and_a_program_may_be_its_subject(tmp_path):
    link = f"It keeps [four days by default]({SOURCE}).\n"
    text = f"{link}`keeps_rabbitmq` needs 4.0, as Kafka 4.1.\n"
    assert claims(built(tmp_path, text)) == [
        ("It keeps four days by default.", ["four days by default"]),
        ("keeps_rabbitmq needs 4.0, as Kafka 4.1.", ["keeps_rabbitmq"]),
    ]


def test_parentheses_go_that_hold_a_program_and_a_test(tmp_path):
    text = f"On since 3.0 (`keeps_rabbitmq`, `test_it` and [notes]({SOURCE})).\n"
    assert claims(built(tmp_path, text)) == [
        ("On since 3.0.", ["keeps_rabbitmq", "test_it", "notes"])
    ]

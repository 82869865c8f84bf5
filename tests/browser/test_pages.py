"""What a reader of the web pages must be able to do, in a real browser."""

import gzip
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import HTML

# The pages in these folders are made by one directive each, and axe takes seconds for a
# page: it judges the first of them, and of all other pages each.
ALIKE = ("practice/flashcards/", "practice/quizzes/")


def judged(page):
    return not page.startswith(ALIKE) or page.endswith(
        ("/fundamentals.html", "/index.html")
    )


# Those that axe judges come first, so that the tests of a page share it (see `opened`).
PAGES = sorted(
    (
        str(path.relative_to(HTML))
        for path in HTML.rglob("*.html")
        if not path.relative_to(HTML).parts[0].startswith("_")
    ),
    key=lambda page: (not judged(page), page),
)
JUDGED = [page for page in PAGES if judged(page)]
CHAPTER = "fundamentals/index.html"
QUESTIONS = "fundamentals/questions.html"
DESKTOP, PHONE = (1280, 900), (390, 844)
CONTRAST = "color-contrast"
WITHOUT_CONTRAST = {"rules": {CONTRAST: {"enabled": False}}}
# Axe's default rules are asked once. The colours are asked again in dark, and the rules
# for names and structure on a phone, where other controls are shown.
LOOKS = {
    "desktop": (DESKTOP, "light", {}),
    "dark": (DESKTOP, "dark", {"runOnly": [CONTRAST]}),
    "phone": (PHONE, "light", WITHOUT_CONTRAST),
}
# The frame around the text is the same on all pages, so that two of them say whether
# what only a phone shows of it has contrast.
PHONE_COLOURS = {
    f"phone, {scheme}": (PHONE, scheme, {"runOnly": [CONTRAST]})
    for scheme in ("light", "dark")
}
PAPER = {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 18, 18)"}
# Appends to each word of code what its contrast depends on: colour, size, weight, and
# the first background behind it that can be seen. Axe judges no single character.
NOTE_STYLES = """() => {
    const paper = (at) => {
        const colour = getComputedStyle(at).backgroundColor;
        return colour !== "rgba(0, 0, 0, 0)" || !at.parentElement
            ? colour
            : paper(at.parentElement);
    };
    window.words ??= [...document.querySelectorAll(".highlight pre span")];
    window.styles ??= words.map((word) => word.className);
    styles = words.map((word, place) => {
        const { color, fontSize, fontWeight, opacity } = getComputedStyle(word);
        const judged = word.checkVisibility() && word.textContent.trim().length > 1;
        const its = [judged, color, fontSize, fontWeight, opacity, paper(word)];
        return [styles[place], ...its].join();
    });
}"""
# The text stays where it is; only the element around a word goes.
KEEP_THE_FIRST_OF_EACH_STYLE = """() => {
    words.forEach((word, place) => {
        if (styles.indexOf(styles[place]) < place) word.replaceWith(...word.childNodes);
    });
    document.querySelectorAll(".highlight pre").forEach((code) => code.normalize());
}"""
# The theme follows the scheme a moment later, and some of its colours fade.
SETTLED = """paper => getComputedStyle(document.body).backgroundColor === paper
    && document.getAnimations().every(each => each.playState === "finished")"""
# A script that breaks a page, the rule that it breaks, and the look that must say so.
FAULTS = {
    "pale word of code": (
        "[...document.querySelectorAll('.highlight pre span')]"
        ".findLast(word => word.textContent.trim().length > 1).style.color = '#ccc'",
        CONTRAST,
        "desktop",
    ),
    "word of code that is dim in dark": (
        "document.head.insertAdjacentHTML('beforeend', '<style>"
        "html[data-theme=dark] .highlight pre span:last-of-type { color: #444 }"
        "</style>')",
        CONTRAST,
        "dark",
    ),
    "button without a name": (
        "document.querySelector('article').append(document.createElement('button'))",
        "button-name",
        "desktop",
    ),
    "image without a text": (
        "document.querySelector('article').append(new Image())",
        "image-alt",
        "desktop",
    ),
    "button without a name that only a phone shows": (
        "document.querySelector('article').insertAdjacentHTML('beforeend', '<style>"
        "@media (min-width: 400px) { #nameless { display: none } }</style>"
        "<button id=nameless></button>')",
        "button-name",
        "phone",
    ),
}


def show(page, size, scheme):
    """Show the page in a window of `size` and in light or dark, and wait for it."""
    width, height = size
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=scheme)
    page.wait_for_function(SETTLED, arg=PAPER[scheme])


def leave_each_style_of_code_once(page):
    """Replace the words of code by their text, but for the first of each style.

    Most elements of a long page are coloured words of code, and axe spends its time on
    them. Their contrast is that of their style, and they have no names, roles
    or actions for the other rules.
    """
    for scheme in PAPER:
        show(page, DESKTOP, scheme)
        page.evaluate(NOTE_STYLES)
    page.evaluate(KEEP_THE_FIRST_OF_EACH_STYLE)


def violations(page, look):
    """Return axe's report of what is wrong with the page in this look, or ''."""
    size, scheme, options = look
    show(page, size, scheme)
    # Axe describes each element of the result types that are asked for.
    results = Axe().run(page, options={"resultTypes": ["violations"], **options})
    return results.generate_report() if results.violations_count else ""


@pytest.fixture(scope="module", params=PAGES)
def opened(request, browser, book):
    """A page with its answers open, the hosts that it asked, and what was missing.

    The tests of one page share it, since a long one takes a second to load.
    """
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    hosts, failed = set(), []
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.on("response", lambda r: failed.append(r.url) if r.status >= 400 else None)
    page.goto(f"{book}/{request.param}", wait_until="networkidle")
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    yield SimpleNamespace(page=page, hosts=hosts, failed=failed, path=request.param)
    context.close()


@pytest.fixture(scope="module")
def brief(opened):
    """The same page for axe, with each style of code once."""
    leave_each_style_of_code_once(opened.page)
    return opened


def test_no_request_leaves_the_site_and_nothing_is_missing(opened, book):
    assert {host for host in opened.hosts if host} == {urlsplit(book).netloc}
    assert opened.failed == []


def test_a_phone_need_not_scroll_sideways(opened):
    show(opened.page, PHONE, "light")
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("opened", JUDGED, indirect=True)
def test_axe_finds_no_violation(brief, look):
    assert violations(brief.page, LOOKS[look]) == ""


@pytest.mark.parametrize("look", PHONE_COLOURS)
@pytest.mark.parametrize("opened", [CHAPTER, QUESTIONS], indirect=True)
def test_what_only_a_phone_shows_has_contrast(brief, look):
    assert violations(brief.page, PHONE_COLOURS[look]) == ""


@pytest.mark.parametrize("fault", FAULTS)
def test_axe_finds_a_fault_of_each_kind(page, book, fault):
    script, rule, look = FAULTS[fault]
    page.goto(f"{book}/set_up.html")
    page.evaluate(script)
    leave_each_style_of_code_once(page)
    assert f"Rule Violated:\n{rule} " in violations(page, LOOKS[look])


def test_a_chapter_weighs_at_most_300_kb(page, book):
    loaded = set()
    page.on("request", lambda request: loaded.add(urlsplit(request.url).path))
    page.goto(f"{book}/{CHAPTER}", wait_until="networkidle")
    files = [Path(HTML, path.lstrip("/")) for path in loaded]
    assert len(files) > 5
    assert sum(len(gzip.compress(file.read_bytes())) for file in files) <= 300_000

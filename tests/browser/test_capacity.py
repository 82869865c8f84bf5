"""What a reader can do with the capacity calculator, and that it agrees with Python."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from capacity_calculator import beginning, verdict, words
from capacity_cases import CASES
from conftest import serving
from sphinx_build import build, write

PAGE = "# Capacity\n\nA system has a load.\n\n:::{capacity-calculator}\n:::\n"
PHONE = {"width": 360, "height": 740}
RESULTS = """calculator => {
    const table = calculator.querySelector("table:not([hidden])");
    const rows = [...table.tBodies[0].rows];
    const texts = rows.map(row => row.cells[1].textContent.trim());
    return [table.querySelector(".caption-text").textContent, texts];
}"""
TYPE_ALL = f"""(calculator, cases) => cases.map(each => {{
    for (const [name, value] of Object.entries(each)) {{
        calculator.querySelector(`[name=${{name}}]`).value = value;
    }}
    calculator.querySelector("input").dispatchEvent(
        new Event("input", {{ bubbles: true }})
    );
    return ({RESULTS})(calculator);
}})"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    book = write(tmp_path_factory.mktemp("book"), {"book/index.md": PAGE})
    with serving(build(book).output) as address:
        yield f"{address}/index.html"


@pytest.fixture
def calculator(page, address):
    """The calculator on a page that is open; a fault in a script fails the test."""
    faults = []
    page.on("pageerror", lambda fault: faults.append(fault))
    page.goto(address)
    yield page.locator(".capacity-calculator")
    assert faults == []


def field(calculator, label):
    return calculator.get_by_label(label)


def results(calculator):
    return calculator.evaluate(RESULTS)


def expected(**given):
    given = beginning() | given
    return [verdict(given), list(words(given).values())]


def says(calculator):
    return calculator.get_by_role("status").inner_text()


def test_page_computes_what_python_computes(calculator):
    found = calculator.evaluate(TYPE_ALL, CASES)
    for given, shown in zip(CASES, found, strict=True):
        assert shown == expected(**given), given


def test_changed_number_changes_the_results_at_once(calculator):
    assert results(calculator) == expected()
    field(calculator, "Arrival rate").fill("1500")
    assert results(calculator) == expected(rate=1500)
    assert "it never drains" in calculator.inner_text()


@pytest.mark.parametrize(
    ("label", "text", "sentence"),
    [
        ("Partitions", "", "Partitions: type a whole number from 1 to 100000."),
        ("Partitions", "1.5", "Partitions: type a whole number from 1 to 100000."),
        ("Disk kept free", "91", "Disk kept free: type a number from 0 to 90."),
    ],
)
def test_number_that_cannot_be_is_answered_by_a_sentence(
    calculator, label, text, sentence
):
    field(calculator, label).fill(text)
    assert says(calculator) == sentence
    assert field(calculator, label).get_attribute("aria-invalid") == "true"
    assert results(calculator) == expected()
    field(calculator, label).fill("20")
    assert says(calculator) == ""


def test_calculator_can_be_used_from_the_keyboard_alone(page, calculator):
    field(calculator, "Service time").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowUp")
    assert results(calculator) == expected(consumers=7)


def test_focus_can_be_seen(page, calculator):
    page.keyboard.press("Tab")  # The browser shows it to those who use the keyboard.
    for control in calculator.locator("input").all():
        control.focus()
        outline = control.evaluate("e => getComputedStyle(e).outline")
        assert "solid 3px" in outline


def test_paper_shows_the_inputs_as_they_are(page, calculator):
    field(calculator, "Message size").fill("2500")
    page.emulate_media(media="print")
    given = calculator.locator("table").first
    assert "2,500 bytes" in given.inner_text()
    assert not calculator.locator("fieldset").is_visible()


def test_what_is_typed_is_sent_nowhere(page, calculator):
    page.wait_for_load_state("networkidle")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    field(calculator, "Message size").fill("2500")
    page.wait_for_timeout(300)
    assert [url for url in asked if "favicon" not in url] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_calculator_fits_a_phone_and_is_accessible(page, calculator, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size(PHONE)
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    for text in ("10000000", "0"):
        field(calculator, "Arrival rate").fill(text)
        assert not page.evaluate(wide)
        assert (
            Axe().run(page, context=".capacity-calculator").response["violations"] == []
        )
    boxes = calculator.locator(".pst-scrollable-table-container:visible")
    for box in boxes.all():
        assert box.evaluate("box => box.scrollWidth <= box.clientWidth")


def test_without_javascript_the_tables_are_whole_and_nothing_is_dead(browser, address):
    page = browser.new_page(java_script_enabled=False)
    page.goto(address)
    calculator = page.locator(".capacity-calculator")
    assert calculator.locator("table:visible").count() == 2
    for control in calculator.locator("fieldset, input").all():
        assert not control.is_visible()
    page.close()

"""What a reader can do with the partition player, and that it agrees with Python."""

import re
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import serving
from partition_keys import KEYS
from partition_player import caption, cell, crc32_partition, murmur2_partition
from playwright.sync_api import expect
from sphinx_build import build, write

CUSTOMERS = [f"customer-{number}" for number in range(1, 9)]
PAGE = f"""# Keys

A key has its partition.

:::{{partition-player}}
:keys: {", ".join(CUSTOMERS)}
:partitions: 3
:::
"""
FUNCTIONS = (murmur2_partition, crc32_partition)
SCREENS = {
    "desktop": {"width": 1280, "height": 900},
    "phone": {"width": 360, "height": 740},
}
PAPER = {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 18, 18)"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of a small book whose only page has a player."""
    book = write(tmp_path_factory.mktemp("book"), {"book/index.md": PAGE})
    return build(book).output


@pytest.fixture(scope="module")
def address(folder):
    with serving(folder) as address:
        yield f"{address}/index.html"


@pytest.fixture
def player(page, address):
    """The player on a page that is open; a fault in a script fails the test."""
    faults = []
    page.on("pageerror", lambda fault: faults.append(fault))
    page.goto(address)
    yield page.locator(".partition-player")
    assert faults == []


def write_keys(player, keys):
    player.get_by_label("Keys, one a line or separated by commas").fill("\n".join(keys))


def at_first(player):
    return player.get_by_label("Partitions at first")


def now(player):
    return player.get_by_label("Partitions now")


def add_one(player):
    player.get_by_role("button", name="Add a partition").click()


def rows(player):
    """Return the text of the table's cells, row by row, without its heading."""
    return player.locator("tbody").evaluate(
        """body => [...body.rows].map(
            row => [...row.cells].map(cell => cell.textContent.trim())
        )"""
    )


def expected(keys, first, last):
    """Return the same from the functions that wrote the table without a script."""
    return [[key, *(cell(f, key, first, last) for f in FUNCTIONS)] for key in keys]


def over_the_table(player):
    return player.locator("caption .caption-text")


def look(player):
    """Return what is to be seen of the table: its text, its marks and its height."""
    height = player.locator("tbody").bounding_box()["height"]
    marked = player.locator("td.moves").all_inner_texts()
    title = over_the_table(player).inner_text()
    return rows(player), marked, title, height


def test_script_writes_the_table_as_the_book_does(browser, player, address):
    page = browser.new_page(java_script_enabled=False)
    page.goto(address)
    of_the_book = look(page.locator(".partition-player"))
    page.close()
    write_keys(player, ["another"])
    write_keys(player, CUSTOMERS)
    assert look(player) == of_the_book


@pytest.mark.parametrize(("first", "added"), [(3, 0), (3, 1), (4, 1), (7, 2), (1, 1)])
@pytest.mark.parametrize("half", [0, 1])
def test_page_computes_what_python_computes(player, half, first, added):
    keys = KEYS[half::2]
    write_keys(player, keys)
    at_first(player).fill(str(first))
    for _ in range(added):
        add_one(player)
    assert rows(player) == expected(keys, first, first + added)
    if added:
        sentence = caption(keys, first, first + added)
        assert over_the_table(player).inner_text() == sentence


def test_page_computes_what_python_computes_for_a_thousand_partitions(player):
    write_keys(player, KEYS[:40])
    at_first(player).fill("997")
    now(player).fill("1000")
    assert rows(player) == expected(KEYS[:40], 997, 1000)


def test_keys_are_separated_by_lines_or_commas_and_each_is_shown_once(player):
    write_keys(player, ["a, b ,", "", "  c d", "a"])
    assert [key for key, *_ in rows(player)] == ["a", "b", "c d"]


def test_markup_in_a_key_is_text(player):
    write_keys(player, ["<img src=x onerror=alert(1)>"])
    assert rows(player)[0][0] == "<img src=x onerror=alert(1)>"
    assert not player.locator("img").count()


def test_added_partition_moves_keys_and_the_table_says_so_in_words(player):
    at_first(player).fill("3")
    assert {text for _, *cells in rows(player) for text in cells} == {"0", "1", "2"}
    assert over_the_table(player).inner_text() == "With 3 partitions."
    add_one(player)
    add_one(player)
    assert now(player).input_value() == "5"
    marked = player.locator("td.moves").all_inner_texts()
    assert marked
    assert all(re.fullmatch(r"moves \d\s→\s\d", text) for text in marked)


def test_another_number_at_first_is_another_topic(player):
    at_first(player).fill("6")
    assert now(player).input_value() == "6"
    assert not player.locator("td.moves").count()


def test_player_can_be_used_from_the_keyboard_alone(page, player):
    at_first(player).focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Control+A")
    page.keyboard.type("customer-1\ncustomer-2")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowUp")
    expect(now(player)).to_have_value("4")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    assert rows(player) == expected(["customer-1", "customer-2"], 4, 7)


def test_focus_can_be_seen(page, player):
    page.keyboard.press("Tab")  # The browser shows it to those who use the keyboard.
    for control in player.locator("textarea, input, button").all():
        control.focus()
        outline = control.evaluate("e => getComputedStyle(e).outline")
        assert "solid 3px" in outline


@pytest.mark.parametrize("text", ["", "0", "-1", "2.5", "1001"])
def test_number_that_no_topic_has_is_answered_by_a_sentence(player, text):
    before = rows(player)
    now(player).fill(text)
    says = player.get_by_role("status")
    assert says.inner_text() == "Type a whole number of partitions from 1 to 1000."
    assert now(player).get_attribute("aria-invalid") == "true"
    assert rows(player) == before
    now(player).fill("4")
    assert says.inner_text() == ""
    assert now(player).get_attribute("aria-invalid") == "false"


def test_partitions_cannot_be_taken_away(player):
    now(player).fill("2")
    assert player.get_by_role("status").inner_text() == (
        "Kafka can add partitions to a topic and take none away."
    )


def test_more_keys_than_the_table_takes_are_answered_by_a_sentence(player):
    write_keys(player, [",".join(f"order-{number}" for number in range(20_000))])
    assert player.get_by_role("status").inner_text() == (
        "The table shows the first 50 of 20000 keys."
    )
    assert len(rows(player)) == 50


def test_no_key_leaves_an_empty_table_that_says_so(player):
    write_keys(player, [""])
    assert rows(player) == []
    assert over_the_table(player).inner_text() == "There is no key yet."


def test_what_is_typed_is_sent_nowhere_and_kept_nowhere(page, player, address):
    page.wait_for_load_state("networkidle")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    write_keys(player, ["secret"])
    add_one(player)
    page.wait_for_timeout(300)
    assert [url for url in asked if "favicon" not in url] == []
    kept = "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
    assert "secret" not in page.evaluate(kept)
    page.reload()
    assert rows(player) == expected(CUSTOMERS, 3, 4)
    assert player.locator("textarea").input_value() == "\n".join(CUSTOMERS)
    assert {urlsplit(url).netloc for url in asked} == {urlsplit(address).netloc}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_axe_finds_no_violation_in_any_state(browser, address, screen, scheme):
    context = browser.new_context(
        color_scheme=scheme, viewport=SCREENS[screen], reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto(address)
    player = page.locator(".partition-player")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == PAPER[scheme]
    states = [
        lambda: write_keys(player, KEYS[:50]),
        lambda: at_first(player).fill("0"),
        lambda: write_keys(player, [""]),
    ]
    for state in [lambda: None, *states]:
        state()
        page.wait_for_timeout(300)  # Colours settle.
        results = Axe().run(page, context=".partition-player")
        assert results.violations_count == 0, results.generate_report()
    context.close()


def test_narrow_phone_need_not_scroll_sideways(browser, address):
    page = browser.new_page(viewport=SCREENS["phone"])
    page.goto(address)
    player = page.locator(".partition-player")
    write_keys(player, KEYS[:50])
    now(player).fill("1000")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    wide = player.locator(".pst-scrollable-table-container")
    assert wide.evaluate("box => box.scrollWidth <= box.clientWidth")
    page.close()


def test_without_javascript_the_table_is_whole_and_nothing_is_dead(browser, address):
    page = browser.new_page(java_script_enabled=False)
    page.goto(address)
    player = page.locator(".partition-player")
    assert rows(player) == expected(CUSTOMERS, 3, 4)
    assert over_the_table(player).inner_text() == caption(CUSTOMERS, 3, 4)
    for control in player.locator("fieldset, textarea, input, button").all():
        assert not control.is_visible()
    page.close()


def test_player_works_on_a_page_that_is_opened_as_a_file(page, folder):
    page.goto((folder / "index.html").as_uri())
    player = page.locator(".partition-player")
    write_keys(player, ["customer-9"])
    assert rows(player) == expected(["customer-9"], 3, 4)

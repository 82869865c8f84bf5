"""What a reader can do with the exchange player, and that it agrees with Python."""

from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import serving
from exchange_cases import CASES, REFUSED
from exchange_player import EXCHANGES, MOST, UNROUTABLE, head, row
from playwright.sync_api import expect
from sphinx_build import build, write

PAGE = "# Exchanges\n\nAn exchange routes.\n\n:::{exchange-player}\n:::\n"
SCREENS = {
    "desktop": {"width": 1280, "height": 900},
    "phone": {"width": 360, "height": 740},
}
ROWS = """rows => rows.map(
    row => [...row.cells].map(cell => [...cell.children].map(line => line.textContent))
)"""
PLAY = """(player, [kind, bindings, messages]) => {
    const type = player.querySelector("select");
    type.value = kind;
    type.dispatchEvent(new Event("change"));
    while (player.querySelector(".binding")) {
        player.querySelector(".binding button").click();
    }
    for (const binding of bindings) {
        player.querySelector(".add").click();
        player.querySelectorAll(".binding:last-child input").forEach((input, at) => {
            input.value = binding[at];
            input.dispatchEvent(new Event("input", { bubbles: true }));
        });
    }
    const form = player.querySelector("form");
    const table = player.querySelector("table:not([hidden])");
    return messages.map((message) => {
        form.querySelector("input").value = message;
        form.requestSubmit();
        return [table.rows[0], table.rows[1]];
    });
}"""
PLAY_ALL = f"(player, cases) => cases.map(each => ({PLAY})(player, each).map({ROWS}))"


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
    yield page.locator(".exchange-player")
    assert faults == []


def choose(player, kind):
    player.get_by_label("Type of the exchange").select_option(kind)


def binding(player, number):
    """Return the two fields of a binding, its queue and its key or arguments."""
    group = player.get_by_role("group", name=f"Binding {number}", exact=True)
    return group.get_by_label("Queue"), group.get_by_role("textbox").last


def add(player):
    player.get_by_role("button", name="Add a binding").click()


def message(player):
    return player.locator("form").get_by_role("textbox")


def publish(player, text):
    message(player).fill(text)
    player.get_by_role("button", name="Publish").click()


def says(player):
    return player.get_by_role("status").inner_text()


def rows(player):
    """Return the lines of the cells of the table that is shown, its heading first."""
    return player.locator("table:not([hidden]) tr").evaluate_all(ROWS)


def lines(cells):
    """Return the same of cells that were written without a script."""
    return [
        [cell] if isinstance(cell, str) else [line.astext() for line in cell]
        for cell in cells
    ]


def expected(kind, bindings, messages):
    cells = [head(kind, bindings), *(row(kind, bindings, each) for each in messages)]
    return [lines(each) for each in cells]


def of_the_book(kind):
    return expected(kind, EXCHANGES[kind]["bindings"], EXCHANGES[kind]["messages"])


def look(player):
    """Return what is to be seen of the last table that is shown: text and height."""
    table = player.locator("table:not([hidden])").last
    return table.inner_text(), table.bounding_box()["height"]


@pytest.mark.parametrize("kind", EXCHANGES)
def test_page_routes_as_python_does(player, kind):
    cases = [case for case in CASES if case[0] == kind]
    found = player.evaluate(PLAY_ALL, cases)
    for (_, bindings, messages), shown in zip(cases, found, strict=True):
        for text, cells in zip(messages, shown, strict=True):
            assert cells == expected(kind, bindings, [text])


def test_script_writes_the_table_as_the_book_does(browser, player, address):
    page = browser.new_page(java_script_enabled=False)
    page.goto(address)
    choose(player, "headers")  # The last.
    text, height = look(page.locator(".exchange-player"))
    page.close()
    assert look(player) == (text, pytest.approx(height, abs=1))


@pytest.mark.parametrize("kind", EXCHANGES)
def test_choice_of_a_type_shows_its_table(player, kind):
    choose(player, kind)
    assert rows(player) == of_the_book(kind)
    rule = player.locator("caption .caption-text:visible")
    assert rule.all_inner_texts() == [EXCHANGES[kind]["rule"]]


def test_player_begins_with_topic(player):
    assert rows(player) == of_the_book("topic")
    assert message(player).input_value() == "order.placed"


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("order.placed", "Binding 1 matches: orders gets the message."),
        ("order.failed", "Bindings 1 and 3 match: orders and audit get the message."),
        (
            "payment.failed",
            "Bindings 2, 3 and 4 match: payments and audit get the message once.",
        ),
        (
            "customer",
            "No binding matches: the message is dropped, "
            "and the publisher gets its confirm all the same.",
        ),
    ],
)
def test_published_message_is_answered_by_a_sentence_and_a_row(player, key, sentence):
    publish(player, key)
    assert says(player) == sentence
    bindings = EXCHANGES["topic"]["bindings"]
    others = [each for each in EXCHANGES["topic"]["messages"] if each != key]
    assert rows(player) == expected("topic", bindings, [key, *others])


@pytest.mark.parametrize("choice", UNROUTABLE)
def test_sentence_says_what_becomes_of_a_message_without_a_binding(player, choice):
    player.get_by_label("If no binding matches").select_option(choice)
    publish(player, "customer")
    assert says(player) == UNROUTABLE[choice]


def test_changed_binding_changes_the_table_at_once(player):
    queue, key = binding(player, 1)
    queue.fill("shipments")
    key.fill("order.#")
    bindings = [("shipments", "order.#"), *EXCHANGES["topic"]["bindings"][1:]]
    assert rows(player) == expected("topic", bindings, EXCHANGES["topic"]["messages"])
    assert says(player) == ""


def test_type_keeps_what_the_reader_made_of_it(player):
    binding(player, 1)[1].fill("#")
    shown = rows(player)
    choose(player, "direct")
    assert rows(player) == of_the_book("direct")
    choose(player, "topic")
    assert rows(player) == shown


def test_table_keeps_the_last_messages(player):
    for number in range(10):
        publish(player, f"order.{number}")
    shown = [cells[0][0] for cells in rows(player)[1:]]
    assert shown == [f"order.{number}" for number in range(9, 1, -1)]
    assert len(shown) == MOST["messages"]


def test_exchange_without_a_binding_routes_nothing(player):
    for _ in range(4):
        player.get_by_role("button", name="Remove binding 1").click()
    publish(player, "order.placed")
    assert says(player).startswith("No binding matches: ")
    assert rows(player)[1] == [["order.placed", "no match"]]


def test_markup_in_a_field_is_text(player):
    markup = "<img src=x onerror=alert(1)>"
    for field in binding(player, 1):
        field.fill(markup)
    publish(player, markup)
    assert rows(player)[0][1] == [markup, markup]
    assert says(player) == f"Binding 1 matches: {markup} gets the message."
    assert not player.locator("img").count()


def test_binding_without_a_queue_is_answered_by_a_sentence(player):
    before = rows(player)
    add(player)
    queue, key = binding(player, 5)
    assert says(player) == "Name the queue of binding 5."
    assert queue.get_attribute("aria-invalid") == "true"
    assert rows(player) == before
    queue.fill("mail")
    key.fill("#.failed")
    assert says(player) == ""
    assert rows(player)[0][-1] == ["mail", "#.failed"]


@pytest.mark.parametrize(("kind", "taken", "refused"), REFUSED)
def test_binding_that_a_broker_refuses_is_answered_by_a_sentence(
    player, kind, taken, refused
):
    rule = {
        "topic": "a key has at most two #",
        "headers": "x-match is all, any, all-with-x or any-with-x",
    }[kind]
    choose(player, kind)
    field = binding(player, 2)[1]
    field.fill(refused)
    assert says(player) == f"The broker refuses binding 2: {rule}."
    assert field.get_attribute("aria-invalid") == "true"
    field.fill(taken)
    assert says(player) == ""
    assert field.get_attribute("aria-invalid") == "false"


def test_more_bindings_than_the_page_takes_are_answered_by_a_sentence(player):
    for number in range(5, MOST["bindings"] + 1):
        add(player)
        binding(player, number)[0].fill("mail")
    add(player)
    assert says(player) == "The page takes at most 6 bindings."
    assert player.get_by_role("group").count() == MOST["bindings"] + 1  # The fieldset.


def test_player_can_be_used_from_the_keyboard_alone(page, player):
    player.get_by_role("button", name="Remove binding 4").focus()
    page.keyboard.press("Enter")
    expect(player.get_by_role("button", name="Add a binding")).to_be_focused()
    page.keyboard.press("Space")
    page.keyboard.type("mail")
    page.keyboard.press("Tab")
    page.keyboard.type("payment.*")
    for _ in range(4):
        page.keyboard.press("Tab")
    page.keyboard.press("Control+A")
    page.keyboard.type("payment.made")
    page.keyboard.press("Enter")
    assert says(player) == (
        "Bindings 2 and 4 match: payments and mail get the message."
    )


def test_focus_can_be_seen(page, player):
    page.keyboard.press("Tab")  # The browser shows it to those who use the keyboard.
    for control in player.locator("select, input, button").all():
        control.focus()
        outline = control.evaluate("e => getComputedStyle(e).outline")
        assert "solid 3px" in outline


def test_what_is_typed_is_sent_nowhere_and_kept_nowhere(page, player, address):
    page.wait_for_load_state("networkidle")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    binding(player, 1)[1].fill("secret")
    publish(player, "secret")
    page.wait_for_timeout(300)
    assert [url for url in asked if "favicon" not in url] == []
    kept = "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
    assert "secret" not in page.evaluate(kept)
    page.reload()
    assert rows(player) == of_the_book("topic")
    assert {urlsplit(url).netloc for url in asked} == {urlsplit(address).netloc}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_axe_finds_no_violation_in_any_state(browser, address, screen, scheme):
    context = browser.new_context(
        color_scheme=scheme, viewport=SCREENS[screen], reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto(address)
    player = page.locator(".exchange-player")
    states = [
        lambda: publish(player, "payment.failed"),
        lambda: publish(player, ""),
        lambda: binding(player, 1)[1].fill("#.#.#"),
        lambda: choose(player, "headers"),
        lambda: add(player),
    ]
    for state in [lambda: None, *states]:
        state()
        page.wait_for_timeout(300)  # Colours settle.
        results = Axe().run(page, context=".exchange-player")
        assert results.violations_count == 0, results.generate_report()
    context.close()


def test_narrow_phone_need_not_scroll_sideways(browser, address):
    page = browser.new_page(viewport=SCREENS["phone"])
    page.goto(address)
    player = page.locator(".exchange-player")
    for number in (5, 6):
        add(player)
        for field in binding(player, number):
            field.fill(f"{number}" * 80)
    publish(player, "w" * 80)
    for kind in EXCHANGES:
        choose(player, kind)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        wide = player.locator(
            ".pst-scrollable-table-container:has(table:not([hidden]))"
        )
        assert wide.evaluate("box => box.scrollWidth <= box.clientWidth")
    page.close()


def test_without_javascript_the_tables_are_whole_and_nothing_is_dead(browser, address):
    page = browser.new_page(java_script_enabled=False)
    page.goto(address)
    player = page.locator(".exchange-player")
    assert rows(player) == [cells for kind in EXCHANGES for cells in of_the_book(kind)]
    assert player.locator("table:visible").count() == len(EXCHANGES)
    for control in player.locator("fieldset, select, input, button").all():
        assert not control.is_visible()
    page.close()


def test_player_works_on_a_page_that_is_opened_as_a_file(page, folder):
    page.goto((folder / "index.html").as_uri())
    player = page.locator(".exchange-player")
    publish(player, "payment")
    assert says(player) == "Binding 2 matches: payments gets the message."

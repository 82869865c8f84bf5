"""What a reader can do with the delivery player: it replays what was recorded."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import serving
from crash_runs import FILES
from delivery_player import GUARANTEES, kills
from sphinx_build import build, write


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    book = write(tmp_path_factory.mktemp("book"), FILES)
    with serving(build(book).output) as address:
        yield f"{address}/index.html"


@pytest.fixture
def player(page, address):
    """The player on a page that is open; a fault in a script fails the test."""
    faults = []
    page.on("pageerror", lambda fault: faults.append(fault))
    page.goto(address)
    yield page.locator(".delivery-player")
    assert faults == []


def choose(player, label, option):
    player.get_by_label(label, exact=True).select_option(option)


def press(player, name):
    player.get_by_role("button", name=name).click()


def events(player):
    return player.locator("ol li").all_inner_texts()


def says(player):
    return player.get_by_role("status").inner_text()


@pytest.mark.parametrize("broker", ["Kafka", "RabbitMQ"])
@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_each_choice_replays_its_own_run(player, guarantee, broker):
    choose(player, "Guarantee", guarantee)
    choose(player, "Broker", broker)
    for (side, point), where in kills(guarantee).items():
        choose(player, "Killed", where)
        press(player, "The whole run")
        first, last = events(player)
        assert first == "0.10 s: the sender starts"
        assert f"{broker}, {guarantee}, {side} {point}" in last


def test_events_come_one_by_one_and_the_last_one_is_the_verdict(player):
    assert len(events(player)) == 1
    assert says(player) == ""
    press(player, "Next event")
    assert len(events(player)) == 2
    assert says(player) == "The end: Kafka, at most once, sender between: 0."
    assert player.get_by_role("button", name="Next event").is_disabled()


def test_places_of_the_kill_follow_the_guarantee(player):
    options = player.get_by_label("Killed", exact=True).locator("option")
    assert options.all_inner_texts() == [*kills("at most once").values()]
    choose(player, "Guarantee", "at least once")
    assert options.all_inner_texts() == [*kills("at least once").values()]


def test_tables_stay_and_the_timelines_give_way_to_the_script(player):
    assert player.locator("table:not(.timeline):visible").count() == 3
    assert player.locator("table.timeline:visible").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_player_fits_a_phone_and_is_accessible(page, player, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 360, "height": 740})
    press(player, "The whole run")
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not page.evaluate(wide)
    assert Axe().run(page, context=".delivery-player").response["violations"] == []

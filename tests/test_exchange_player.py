"""The exchange player routes as the broker does, and is whole without its script."""

import zipfile
from collections import Counter
from functools import partial
from uuid import uuid4

import pika
import pytest
from bs4 import BeautifulSoup
from exchange_cases import CASES, REFUSED
from exchange_player import EXCHANGES, headers_in, routed
from pika.exceptions import ChannelClosedByBroker
from sphinx_build import build, page, write

PLAYER = ":::{exchange-player}\n:name: player\n:::\n"


def new_exchange(channel, kind):
    """Return the name of a new exchange, which goes with the queues bound to it."""
    name = f"orders-{uuid4().hex}"
    channel.exchange_declare(name, kind, auto_delete=True)
    return name


def new_queue(channel):
    """Return the name of a new queue, which goes with the connection."""
    return channel.queue_declare("", exclusive=True).method.queue


def bind(channel, exchange, kind, queue, binding):
    if kind == "headers":
        channel.queue_bind(queue, exchange, arguments=headers_in(binding))
    else:
        channel.queue_bind(queue, exchange, binding)


def publish(channel, exchange, kind, message, body):
    if kind == "headers":
        headers = pika.BasicProperties(headers=headers_in(message))
        channel.basic_publish(exchange, "", body, headers)
    else:
        channel.basic_publish(exchange, message, body)


def by_broker(channel, kind, bindings, messages):
    """Return for each message how often each of the queues got it."""
    exchange = new_exchange(channel, kind)
    queues = {queue: new_queue(channel) for queue, _ in bindings}
    for queue, binding in bindings:
        bind(channel, exchange, kind, queues[queue], binding)
    for number, message in enumerate(messages):
        publish(channel, exchange, kind, message, str(number).encode())
    got = [Counter() for _ in messages]
    for queue, name in queues.items():
        take = partial(channel.basic_get, name, auto_ack=True)
        for _, _, body in iter(take, (None, None, None)):
            got[int(body)][queue] += 1
    return got


@pytest.mark.parametrize("kind", EXCHANGES)
def test_broker_routes_as_the_player_does(channel, kind):
    for bindings, messages in [rest for name, *rest in CASES if name == kind]:
        found = by_broker(channel, kind, bindings, messages)
        for message, queues in zip(messages, found, strict=True):
            met = routed(kind, bindings, message)
            expected = {queue: 1 for queue in met if met[queue]}
            assert queues == expected, f"{message!r} by {bindings}"


@pytest.mark.parametrize(("kind", "taken", "refused"), REFUSED)
def test_broker_refuses_what_the_player_refuses(channel, kind, taken, refused):
    exchange, queue = new_exchange(channel, kind), new_queue(channel)
    bind(channel, exchange, kind, queue, taken)
    with pytest.raises(ChannelClosedByBroker, match="406"):
        bind(channel, exchange, kind, queue, refused)


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """A small book with a player on one page of two, as web pages and as an ePub."""
    contents = "[It](#player) routes.\n\n:::{toctree}\nother\n:::\n"
    folder = write(
        tmp_path_factory.mktemp("book"),
        {
            "book/index.md": f"# Exchanges\n\n{PLAYER}\n{contents}",
            "book/other.md": "# Other\n\nNothing is played here.\n",
        },
    )
    built = {builder: build(folder, builder) for builder in ("html", "epub")}
    assert [each.warnings for each in built.values()] == ["", ""]
    return {builder: each.output for builder, each in built.items()}


def tables(page):
    """Return the lines of the cells of each table, row by row, its heading first."""
    return [
        [
            [[line.text for line in cell.select("p")] for cell in row.select("th, td")]
            for row in table.select("tr")
        ]
        for table in page.select(".exchange-player table")
    ]


def test_page_has_a_table_for_each_type(sample):
    rules = page(sample["html"], "index.html").select("#player caption .caption-text")
    assert [rule.text for rule in rules] == [
        each["rule"] for each in EXCHANGES.values()
    ]


def test_table_says_which_queue_gets_which_message(sample):
    head, *rows = tables(page(sample["html"], "index.html"))[
        list(EXCHANGES).index("topic")
    ]
    assert head == [
        ["Routing key"],
        ["orders", "order.*"],
        ["payments", "payment.#"],
        ["audit", "*.failed", "payment.*"],
    ]
    assert rows == [
        [["order.placed"], ["✓"], [], []],
        [["order.failed"], ["✓"], [], ["✓", "*.failed"]],
        [["order.placed.eu", "no match"], [], [], []],
        [["payment"], [], ["✓"], []],
        [["payment.failed"], [], ["✓"], ["✓", "*.failed", "payment.*"]],
        [["payment.card.failed"], [], ["✓"], []],
    ]


def test_empty_key_stands_in_words(sample):
    head, *rows = tables(page(sample["html"], "index.html"))[
        list(EXCHANGES).index("fanout")
    ]
    assert head[1] == ["orders", "empty key"]
    assert rows[-1] == [["empty key"], ["✓"], ["✓"], ["✓"]]


def test_controls_are_hidden_until_the_script_runs(sample):
    controls = page(sample["html"], "index.html").select_one("fieldset")
    assert controls.has_attr("hidden")


def test_only_a_page_with_a_player_loads_its_script(sample):
    script = "script[src*='exchange_player.js']"
    assert len(page(sample["html"], "index.html").select(script)) == 1
    assert not page(sample["html"], "other.html").select(script)


def test_epub_has_the_tables_and_no_script(sample):
    with zipfile.ZipFile(sample["epub"] / "proof-of-delivery.epub") as book:
        names = book.namelist()
        chapter = BeautifulSoup(book.read("index.xhtml"), "html.parser")
    assert tables(chapter) == tables(page(sample["html"], "index.html"))
    assert not chapter.select("script, template, fieldset, form, input, button")
    assert not [name for name in names if name.endswith(".js")]

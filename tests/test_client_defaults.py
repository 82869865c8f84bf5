"""The book's table of defaults is what the installed clients and RabbitMQ say."""

import json

from brokers.client_defaults import RECORDED, defaults
from sphinx_build import build, page, write


def built(folder, name):
    files = {
        "book/index.md": f"# P\n\n:::{{client-defaults}} {name}\n:::\n",
        "examples/brokers/client_defaults.json": RECORDED.read_text(encoding="utf-8"),
    }
    return build(write(folder, files))


def test_the_recorded_defaults_are_those_of_the_installed_software():
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    assert recorded == defaults(), (
        "The installed software has other defaults than the book's table. "
        "Record them with `python -m nox -s defaults`, and read what the page says."
    )


def test_page_has_what_was_recorded_and_says_where_a_client_has_no_such_setting(
    tmp_path,
):
    rows = page(built(tmp_path, "producer").output, "index.html").select("tbody tr")
    shown = [[each.text.strip() for each in row.select("th, td")] for row in rows]
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))["producer"]
    assert shown == [
        ["no such setting" if each is None else each for each in row]
        for row in recorded
    ]


def test_unknown_table_fails_the_build_with_a_sentence(tmp_path):
    sentence = "'broker' is not recorded. There are versions, producer, consumer, pika"
    assert sentence in built(tmp_path, "broker").warnings

"""The book's table of defaults is what the installed clients and RabbitMQ say."""

import json

from brokers.client_defaults import RECORDED, defaults


def test_the_recorded_defaults_are_those_of_the_installed_software():
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    assert recorded == defaults(), (
        "The installed software has other defaults than the book's table. "
        "Record them with `python -m nox -s defaults`, and read what the page says."
    )

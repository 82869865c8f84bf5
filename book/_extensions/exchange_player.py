"""The `exchange-player` directive: which queues the four types of exchange route to.

Its tables are on the page and in the ePub; a script lets the reader change them.
"""

import html
import json
import re

from docutils import nodes
from docutils.parsers.rst import directives
from script import load_script
from sphinx.util.docutils import SphinxDirective
from table import entry, table

MOST = {"bindings": 6, "messages": 8}
LENGTH = 80  # Of what is typed; no character has more than 3 bytes, and a key 255.
FIRST = "topic"  # The type of exchange that the script shows first.

# What a binding has, what a message has, and the words for one that has none.
KEYS = ("Binding key", "Routing key", "empty key")
EXCHANGES = {
    "direct": {
        "rule": "A direct exchange compares the whole keys.",
        "labels": KEYS,
        "bindings": [
            ("orders", "order"),
            ("payments", "payment"),
            ("audit", "order"),
            ("audit", "payment"),
        ],
        "messages": ["order", "payment", "Order", "order.placed"],
    },
    "fanout": {
        "rule": "A fanout exchange looks at no key.",
        "labels": KEYS,
        "bindings": [("orders", ""), ("payments", "payment"), ("audit", "audit.#")],
        "messages": ["order", "payment", ""],
    },
    "topic": {
        "rule": "A topic exchange goes word by word: * is one, # any number.",
        "labels": KEYS,
        "bindings": [
            ("orders", "order.*"),
            ("payments", "payment.#"),
            ("audit", "*.failed"),
            ("audit", "payment.*"),
        ],
        "messages": [
            "order.placed",
            "order.failed",
            "order.placed.eu",
            "payment",
            "payment.failed",
            "payment.card.failed",
        ],
    },
    "headers": {
        "rule": "A headers exchange compares names, types and values.",
        "labels": ("Arguments", "Headers", "none"),
        "bindings": [
            ("orders", "x-match=all, kind=order, paid=true"),
            ("payments", "x-match=any, kind=payment, paid=true"),
            ("audit", "amount"),
        ],
        "messages": [
            "kind=order, paid=true",
            "kind=order",
            'kind=order, paid="true"',
            "kind=payment, amount=100",
        ],
    },
}
# What the page says of a message that no binding matches.
UNROUTABLE = {
    "drop the message": (
        "No binding matches: the message is dropped, "
        "and the publisher gets its confirm all the same."
    ),
    "return it: mandatory": (
        "No binding matches: the message comes back to the publisher, "
        "and then its confirm."
    ),
    "pass it on: alternate exchange": (
        "No binding matches: the alternate exchange gets the message "
        "and routes it by its own bindings."
    ),
}
NO_MATCH = "no match"
TICK = "\N{CHECK MARK}"
NOTE = """
A queue gets one copy of a message, however many of its bindings match.
The broker routes a message when it arrives, and a later binding brings it to nobody.
Tests compare these rules with the routing of a broker.
"""
CONTROLS = """\
<fieldset hidden data-start="{start}">
<legend>Try your own bindings</legend>
<div>
<label for="{id}-type">Type of the exchange</label>
<select id="{id}-type" autocomplete="off">{types}</select>
</div>
<div class="bindings"></div>
<template><div role="group" class="binding">
<b></b>
<label>Queue <input maxlength="{length}" {typing}></label>
<label><span></span> <input maxlength="{length}" {typing}></label>
<button type="button">Remove</button>
</div></template>
<div>
<button type="button" class="add">Add a binding</button>
<label for="{id}-unroutable">If no binding matches</label>
<select id="{id}-unroutable" autocomplete="off">{unroutable}</select>
</div>
<form>
<label for="{id}-message"></label>
<input id="{id}-message" maxlength="{length}" {typing}>
<button>Publish</button>
</form>
<p role="status"></p>
<p class="hint">Write <code>name=value</code>, separated by commas.
 A whole number, <code>true</code> and <code>false</code> have types of their own.
 The rest is text, and so is what stands in double quotes.
 In a binding a name alone asks only whether the header is there,
 and without <code>x-match</code> it is <code>all</code>.</p>
<p>The page routes by itself and sends what you type nowhere.</p>
</fieldset>
"""
TYPING = 'autocomplete="off" autocapitalize="off" spellcheck="false"'


class exchange_player(nodes.General, nodes.Element):
    """Holds a table for each type of exchange, and their note."""


def words(key):
    """Return the words of a key; the empty key has none, and not one empty word."""
    return key.split(".") if key else []


def topic_matches(pattern, key):
    """Return whether a binding key matches a routing key in a topic exchange."""
    key = words(key)
    taken = [0]  # How many words of the key the pattern can have taken so far.
    for word in words(pattern):
        if word == "#" and taken:
            taken = list(range(taken[0], len(key) + 1))
        else:
            left = [number for number in taken if number < len(key)]
            taken = [number + 1 for number in left if word in ("*", key[number])]
    return len(key) in taken


def value(text):
    """Return the value of a header as it is written on the page."""
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch("-?[0-9]+", text):
        return int(text)
    return text[1:-1] if re.fullmatch('".*"', text) else text


def headers_in(text):
    """Return the headers or arguments of a text; one without a value has None."""
    found = {}
    for piece in re.findall('(?:"[^"]*"|[^,])+', text):
        name, equals, written = piece.strip().partition("=")
        if piece.strip():
            found[name.strip()] = value(written.strip()) if equals else None
    return found


def headers_match(arguments, headers):
    """Return whether a binding's arguments match a message's headers, both as texts."""
    arguments, headers = headers_in(arguments), headers_in(headers)
    mode = arguments.pop("x-match", "all")
    found = [
        name in headers and (wanted is None or same(wanted, headers[name]))
        for name, wanted in arguments.items()
        if mode.endswith("-with-x") or not name.startswith("x-")
    ]
    return any(found) if mode.startswith("any") else all(found)


def same(wanted, found):
    """Return whether two values are equal; for Python alone, True would equal 1."""
    return type(wanted) is type(found) and wanted == found


MATCHES = {
    "direct": lambda binding, message: binding == message,
    "fanout": lambda binding, message: True,
    "topic": topic_matches,
    "headers": headers_match,
}


def by_queue(bindings):
    """Return {queue: what its bindings have} of pairs of both."""
    queues = {}
    for queue, binding in bindings:
        queues.setdefault(queue, []).append(binding)
    return queues


def routed(kind, bindings, message):
    """Return {queue: those of its bindings that match `message`}, also if none does."""
    return {
        queue: [each for each in its_own if MATCHES[kind](each, message)]
        for queue, its_own in by_queue(bindings).items()
    }


def code(text, empty):
    return nodes.literal(text, text) if text else empty


def codes(texts, empty):
    return [code(text, empty) for text in texts]


def head(kind, bindings):
    """Return the cells over a table: a queue with what its bindings have, and so on."""
    _, message, empty = EXCHANGES[kind]["labels"]
    queues = by_queue(bindings).items()
    return [message, *(entry(name, *codes(own, empty)) for name, own in queues)]


def row(kind, bindings, message):
    """Return the cells for one message; of several bindings they name those it met."""
    empty = EXCHANGES[kind]["labels"][-1]
    queues = routed(kind, bindings, message)
    unmatched = [] if any(queues.values()) else [nodes.emphasis("", NO_MATCH)]
    cells = [entry(code(message, empty), *unmatched)]
    for queue, own in by_queue(bindings).items():
        named = codes(queues[queue], empty) if len(own) > 1 else []
        cells.append(entry(TICK, *named) if queues[queue] else entry())
    return cells


class ExchangePlayer(SphinxDirective):
    """Show for each type of exchange which queue gets which message."""

    option_spec = {"name": directives.unchanged}  # noqa: RUF012

    def run(self):
        number = self.env.new_serialno("exchange-player")
        identifier = nodes.make_id(f"exchange-{self.env.docname}-{number}")
        node = exchange_player(identifier=identifier)
        self.set_source_info(node)
        for kind, exchange in EXCHANGES.items():
            bindings = exchange["bindings"]
            rows = [row(kind, bindings, message) for message in exchange["messages"]]
            node += table(head(kind, bindings), rows, exchange["rule"])
        node += nodes.paragraph("", " ".join(NOTE.split()))
        self.add_name(node)
        return [node]


def visit_player(self, node):
    self.body.append(self.starttag(node, "div", CLASS="player exchange-player"))
    if self.builder.name == "epub":  # No script runs there.
        return
    start = {"exchanges": EXCHANGES, "most": MOST}
    self.body.append(
        CONTROLS.format(
            id=node["identifier"],
            start=html.escape(json.dumps(start)),
            length=LENGTH,
            typing=TYPING,
            types="".join(
                f"<option{' selected' * (kind == FIRST)}>{kind}</option>"
                for kind in EXCHANGES
            ),
            unroutable="".join(
                f'<option value="{sentence}">{cause}</option>'
                for cause, sentence in UNROUTABLE.items()
            ),
        )
    )


def depart_player(self, node):
    self.body.append("</div>\n")


def setup(app):
    app.add_node(exchange_player, html=(visit_player, depart_player))
    app.add_directive("exchange-player", ExchangePlayer)
    load_script(app, exchange_player, "exchange_player")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

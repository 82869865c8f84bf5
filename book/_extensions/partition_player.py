"""The `partition-player` directive: which key goes to which partition, and which move.

Its table is on the page and in the ePub; a script lets the reader change it.
"""

import html
from zlib import crc32

from docutils import nodes
from docutils.parsers.rst import directives
from kafka.partitioner import murmur2
from script import load_script
from sphinx.util.docutils import SphinxDirective
from table import entry, table

MOST_KEYS = 50  # As in partition_player.js.
MOST_PARTITIONS = 1000
EMPTY_KEY = '""'

NOTE = """
The Java client and kafka-python hash a key with murmur2.
CRC32 is the default of librdkafka, `consistent_random`.
Tests compare both columns with the partitions that clients chose on a broker.
"""
CONTROLS = """\
<fieldset hidden>
<legend>Try your own keys</legend>
<label for="{id}-keys">Keys, one a line or separated by commas</label>
<textarea id="{id}-keys" rows="{rows}" aria-describedby="{id}-hint" autocomplete="off"
 autocapitalize="off" spellcheck="false">{keys}</textarea>
<p id="{id}-hint">The page computes the partitions itself and sends your keys nowhere.
 Write <code>&quot;&quot;</code> for the empty key.</p>
<div>
<label for="{id}-first">Partitions at first</label>
<input id="{id}-first" type="number" min="1" max="{most}" value="{first}"
 aria-describedby="{id}-says" autocomplete="off">
<label for="{id}-now">Partitions now</label>
<input id="{id}-now" type="number" min="1" max="{most}" value="{now}"
 aria-describedby="{id}-says" autocomplete="off">
<button type="button">Add a partition</button>
</div>
<p id="{id}-says" role="status"></p>
</fieldset>
"""


class partition_player(nodes.General, nodes.Element):
    """Holds the table and its note; `keys` and `partitions` are what it begins with."""


def murmur2_partition(key, partitions):
    """Return the partition that the Java client and kafka-python choose for `key`."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def crc32_partition(key, partitions):
    """Return the partition that librdkafka chooses by default for `key`.

    It treats an empty key like none, so that its partition varies; then return None.
    """
    return crc32(key) % partitions if key else None


FUNCTIONS = {"murmur2": murmur2_partition, "CRC32": crc32_partition}


def encoded(key):
    """Return the bytes of a key as it is written on the page."""
    return b"" if key == EMPTY_KEY else key.encode()


def keys_in(text):
    """Return the keys of a text, each once and without the blanks around it."""
    return list(dict.fromkeys(key.strip() for key in text.split(",") if key.strip()))


def moved(function, key, first, now):
    return function(encoded(key), first) != function(encoded(key), now)


def cell(function, key, first, now):
    """Return the words for one key under one function."""
    before, after = (function(encoded(key), count) for count in (first, now))
    if before is None:
        return "varies, as without a key"
    # No line ends between the two numbers.
    return f"{after}" if before == after else f"moves {before}\N{NBSP}→\N{NBSP}{after}"


def row(key, first, now):
    """Return the cells for one key."""
    cells = [entry(nodes.literal(key, key))]
    for function in FUNCTIONS.values():
        marks = ["moves"] if moved(function, key, first, now) else []
        cells.append(entry(cell(function, key, first, now), classes=marks))
    return cells


def caption(keys, first, now):
    """Return the sentence over the table."""
    by_murmur2, by_crc32 = (
        sum(moved(function, key, first, now) for key in keys)
        for function in FUNCTIONS.values()
    )
    noun = "key" if len(keys) == 1 else "keys"
    return (
        f"From {first} to {now} partitions, murmur2 moves {by_murmur2} of {len(keys)} "
        f"{noun} and CRC32 {by_crc32} of {len(keys)}."
    )


class PartitionPlayer(SphinxDirective):
    """Show the keys of `:keys:` in `:partitions:` partitions and in one more."""

    option_spec = dict.fromkeys(("keys", "partitions", "name"), directives.unchanged)

    def run(self):
        keys = keys_in(self.options.get("keys", ""))
        if not 0 < len(keys) <= MOST_KEYS:
            raise self.error(
                "A partition player needs a line ':keys: …' "
                f"of 1 to {MOST_KEYS} keys separated by commas."
            )
        count = self.options.get("partitions", "")
        if not (count.isdecimal() and 0 < int(count) < MOST_PARTITIONS):
            raise self.error(
                "A partition player needs a line ':partitions: …' "
                f"of a number from 1 to {MOST_PARTITIONS - 1}."
            )
        number = self.env.new_serialno("partition-player")
        identifier = nodes.make_id(f"player-{self.env.docname}-{number}")
        node = partition_player(keys=keys, partitions=int(count), identifier=identifier)
        self.set_source_info(node)
        first, now = int(count), int(count) + 1
        rows = [row(key, first, now) for key in keys]
        node += table(["Key", *FUNCTIONS], rows, caption(keys, first, now))
        text, messages = self.state.inline_text(" ".join(NOTE.split()), self.lineno)
        node += [nodes.paragraph("", "", *text), *messages]
        self.add_name(node)
        return [node]


def visit_player(self, node):
    self.body.append(self.starttag(node, "div", CLASS="player partition-player"))
    if self.builder.name == "epub":  # No script runs there.
        return
    first = node["partitions"]
    self.body.append(
        CONTROLS.format(
            id=node["identifier"],
            keys=html.escape("\n".join(node["keys"])),
            rows=min(len(node["keys"]), 8),
            most=MOST_PARTITIONS,
            first=first,
            now=first + 1,
        )
    )


def depart_player(self, node):
    self.body.append("</div>\n")


def setup(app):
    app.add_node(partition_player, html=(visit_player, depart_player))
    app.add_directive("partition-player", PartitionPlayer)
    load_script(app, partition_player, "partition_player")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

"""The `client-defaults` directive: what clients and RabbitMQ do if nothing is set.

It shows what `examples/brokers/client_defaults.py` has asked of the installed software.
"""

import json
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective
from table import entry, table

CLIENTS = ["Setting", "Java", "librdkafka", "kafka-python"]
# What a table is called in the recorded file, and the heads of its columns.
TABLES = {
    "producer": CLIENTS,
    "consumer": CLIENTS,
    "pika": ["Parameter", "Default"],
    "rabbitmq": ["Key", "Default"],
}


class ClientDefaults(SphinxDirective):
    """Show one of TABLES, or after `versions` what was asked."""

    required_arguments = 1

    def run(self):
        name = self.arguments[0]
        path = Path(self.env.srcdir, self.config.examples_root).resolve()
        path = path / "brokers" / "client_defaults.json"
        self.env.note_dependency(path)
        recorded = json.loads(path.read_text(encoding="utf-8"))
        if name == "versions":
            versions = [" ".join(each) for each in recorded["versions"].items()]
            return [nodes.paragraph("", f"Asked were {', '.join(versions)}.")]
        if name not in TABLES:
            known = ", ".join(["versions", *TABLES])
            raise self.error(f"'{name}' is not recorded. There are {known}.")
        rows = [
            [entry(nodes.literal("", setting)), *map(cell, values)]
            for setting, *values in recorded[name]
        ]
        made = table(TABLES[name], rows)
        if len(TABLES[name]) > 2:
            made["classes"] += ["stacked", "three-clients"]
        return [made]


def cell(value):
    """Return a cell with a default, or the words that there is no such setting."""
    return entry("no such setting" if value is None else nodes.literal("", value))


def setup(app):
    app.add_directive("client-defaults", ClientDefaults)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

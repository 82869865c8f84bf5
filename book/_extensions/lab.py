"""The `lab` directive: a failure that was made on purpose, repeated and counted."""

import json
from pathlib import Path

from docutils import nodes
from example import literal
from labs import summary
from shown import place
from sphinx.util.docutils import SphinxDirective
from table import table

TITLES = {"kafka": "Kafka", "rabbitmq": "RabbitMQ"}


def read(directive, name):
    """Return what was recorded of a lab; the page is built anew when that changes.

    Raises the directive's error if nothing was.
    """
    root = Path(directive.env.srcdir, directive.config.examples_root).resolve()
    recorded = root / "labs" / f"{name}.json"
    directive.env.note_dependency(recorded)
    if not recorded.is_file():
        raise directive.error(
            f"{root.name}/labs/{name}.json is missing: run `python -m nox -s lab "
            f"-- {name} --times 20 --record`, or correct the name."
        )
    return json.loads(recorded.read_text(encoding="utf-8"))


def command(name):
    """Return the line that runs a lab."""
    return literal(f"$ python -m nox -s lab -- {name}", "console", "example-command")


def conditions(data):
    """Say how often a lab was run, when, and on what."""
    brokers = " and ".join(
        f"{TITLES[each]} {data['brokers'][each]}" for each in data["brokers"]
    )
    clients = " and ".join(
        f"{each} {data['clients'][each]}" for each in data["clients"]
    )
    return (
        f"{data['times']} times on {data['date']}, with {brokers}, {clients}, "
        f"on {data['machine']}"
    )


class Lab(SphinxDirective):
    """Show how a lab is run, one of its runs as a timeline, and the counts of all."""

    required_arguments = 1

    def run(self):
        name = self.arguments[0]
        data = read(self, name)
        variants, rows = summary.table(data["runs"])
        content = [
            command(name),
            nodes.paragraph(
                "",
                f"Each was run {conditions(data)}. A number with a range is the "
                "median, and the least and the most.",
            ),
            table(
                ["counted", *variants],
                [[what, *cells] for what, cells in rows.items()],
                widths=[1] * (len(variants) + 1),
            ),
        ]
        for variant in variants:
            typical = summary.typical(data["runs"], variant)
            content.append(nodes.rubric("", f"{variant}: one run", classes=["lab-run"]))
            content.append(
                table(
                    ["seconds", "what happened"],
                    [[f"{at:.2f}", event] for at, event in typical["timeline"]],
                    widths=[1, 4],
                )
            )
        here = place(self, "lab", name)
        return [*here, nodes.container("", *content, classes=["lab"])]


def setup(app):
    app.add_directive("lab", Lab)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

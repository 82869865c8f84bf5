"""The `lab` directive: a failure that was made on purpose, repeated and counted."""

import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
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
    often = "once" if data["times"] == 1 else f"{data['times']} times"
    return f"{often} on {data['date']}, with {brokers}, {clients}, on {data['machine']}"


def counted(runs, title=""):
    """Return the table of what was counted, with a column for each variant."""
    variants, rows = summary.table(runs)
    return table(
        ["counted", *(summary.column(each) for each in variants)],
        [[what, *cells] for what, cells in rows.items()],
        title,
        widths=[1] * (len(variants) + 1),
    )


def matrix(runs, quantity):
    """Return the table of one quantity: a row for each group of variants."""
    variants, rows = summary.table(runs)
    cells = dict(zip(variants, rows[quantity], strict=True))
    columns = dict.fromkeys(summary.column(each) for each in variants)
    return table(
        ["case", *columns],
        [
            [title, *(cells.get(f"{title}: {each}", "none") for each in columns)]
            for title, _ in summary.groups(variants)
        ],
        quantity,
        widths=[1] * (len(columns) + 1),
    )


def timelines(runs):
    """Yield the heading and the table of one run of each variant."""
    for variant in summary.table(runs)[0]:
        typical = summary.typical(runs, variant)
        yield nodes.rubric("", f"{variant}: one run", classes=["lab-run"])
        yield table(
            ["seconds", "what happened"],
            [[f"{at:.2f}", event] for at, event in typical["timeline"]],
            widths=[1, 4],
        )


class Lab(SphinxDirective):
    """Show how a lab is run, one of its runs as a timeline, and the counts of all.

    A lab whose variants have groups (`leader killed: Kafka, safe`) gets a table for
    each group. The option `variants` chooses some by a pattern of the shell, and then
    the command and the conditions are left out; `quantities` are shown each in a table
    of all groups, in the place of what else is shown, and `counts-only` leaves the
    timelines out.
    """

    required_arguments = 1
    option_spec: ClassVar = {
        "variants": directives.unchanged_required,
        "quantities": directives.unchanged_required,
        "counts-only": directives.flag,
    }

    def run(self):
        name = self.arguments[0]
        data = read(self, name)
        pattern = self.options.get("variants", "*")
        runs = [each for each in data["runs"] if fnmatchcase(each["variant"], pattern)]
        if not runs:
            raise self.error(f"The lab {name} has no variant like '{pattern}'.")
        content = []
        if "variants" not in self.options:
            said = (
                f"Each was run {conditions(data)}. A number with a range is the "
                "median, and the least and the most."
            )
            content += [command(name), nodes.paragraph("", said)]
        if "quantities" in self.options:
            known = summary.table(runs)[1]
            for quantity in self.options["quantities"].split("; "):
                if quantity not in known:
                    raise self.error(
                        f"The lab {name} has no '{quantity}': it has "
                        f"{'; '.join(known)}."
                    )
                content.append(matrix(runs, quantity))
        else:
            for title, own in summary.groups(summary.table(runs)[0]):
                chosen = [each for each in runs if each["variant"] in own]
                content.append(counted(chosen, title))
            if "counts-only" not in self.options:
                content += timelines(runs)
        here = place(self, "lab", name)
        return [*here, nodes.container("", *content, classes=["lab"])]


def setup(app):
    app.add_directive("lab", Lab)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

"""The `delivery-player` directive: what a kill at each point makes of one order.

It shows what the lab `crash_points` recorded. Its tables are on the page and in the
ePub; a script replays a run of whichever guarantee, broker and point a reader chooses.
"""

import html
import json

from docutils import nodes
from lab import command, conditions, read
from labs import summary
from script import load_script
from sphinx.util.docutils import SphinxDirective
from table import table

LAB = "crash_points"
# The guarantees with the two steps of each side, in their order.
GUARANTEES = {
    "at most once": (("marks it", "sends it"), ("acknowledges", "works")),
    "at least once": (("sends it", "marks it"), ("works", "acknowledges")),
    "exactly-once effect": (("sends it", "marks it"), ("works", "acknowledges")),
}
WHERE = {
    "before": "before it {0}",
    "between": "after it {0}, before it {1}",
    "after": "after it {1}",
}
EFFECTS = {0: "lost", 1: "once", 2: "twice"}
CONTROLS = """\
<fieldset hidden data-runs="{runs}">
<legend>Choose where the crash strikes</legend>
<div>
<label for="{id}-guarantee">Guarantee</label>
<select id="{id}-guarantee" autocomplete="off">{guarantees}</select>
<label for="{id}-broker">Broker</label>
<select id="{id}-broker" autocomplete="off">{brokers}</select>
</div>
<div>
<label for="{id}-kill">Killed</label>
<select id="{id}-kill" autocomplete="off"></select>
</div>
<div>
<button type="button" class="next">Next event</button>
<button type="button" class="all">The whole run</button>
</div>
<ol></ol>
<p role="status"></p>
<p>These are events of recorded runs, with their seconds since the start.</p>
</fieldset>
"""


class delivery_player(nodes.General, nodes.Element):
    """Holds the tables; `runs` are the runs that the script replays."""


def kills(guarantee):
    """Return {(side, point): where the side is killed} in the order of the path."""
    return {
        (side, point): f"the {side}, {text.format(*steps)}"
        for side, steps in zip(
            ("sender", "receiver"), GUARANTEES[guarantee], strict=True
        )
        for point, text in WHERE.items()
    }


def effect(runs):
    """Return how often order 5 took effect in `runs`, as a word for a cell."""
    words = [EFFECTS[each["counts"]["effects of order 5"]] for each in runs]
    if len(set(words)) == 1:
        return words[0]
    return ", ".join(
        f"{word} in {words.count(word)} of {len(words)}" for word in sorted(set(words))
    )


def parts(variant):
    """Return the broker, the guarantee, the side and the point of a variant."""
    broker, guarantee, killed = variant.split(", ")
    return broker, guarantee, *killed.split()


class DeliveryPlayer(SphinxDirective):
    """Show what became of an order for each guarantee, broker and point of a kill."""

    def run(self):
        data = read(self, LAB)
        runs = {}
        for each in data["runs"]:
            runs.setdefault(parts(each["variant"]), []).append(each)
        brokers = list(dict.fromkeys(broker for broker, *_ in runs))
        number = self.env.new_serialno("delivery-player")
        node = delivery_player(
            identifier=nodes.make_id(f"delivery-{self.env.docname}-{number}"),
            brokers=brokers,
            runs=[
                {
                    "broker": key[0],
                    "guarantee": key[1],
                    "kill": kills(key[1])[key[2:]],
                    "timeline": summary.typical(own, own[0]["variant"])["timeline"],
                }
                for key, own in runs.items()
            ],
        )
        self.set_source_info(node)
        node += command(LAB)
        for guarantee in GUARANTEES:
            rows = [
                [where, *(effect(runs[each, guarantee, *kill]) for each in brokers)]
                for kill, where in kills(guarantee).items()
            ]
            head = ["killed", *brokers]
            title = f"{guarantee.capitalize()}: the effects of order 5"
            node += table(head, rows, title, widths=[3] + [2] * len(brokers))
        node += nodes.paragraph(
            "",
            f"Each line was run {conditions(data)}, and came out the same each time "
            "unless it says otherwise.",
        )
        for guarantee in GUARANTEES:
            for side in ("sender", "receiver"):
                key = (brokers[0], guarantee, side, "between")
                timeline = summary.typical(runs[key], runs[key][0]["variant"])
                where = kills(guarantee)[side, "between"]
                title = f"{guarantee.capitalize()}, {brokers[0]}, killed: {where}"
                events = [[f"{at:.2f}", event] for at, event in timeline["timeline"]]
                made = table(["seconds", "what happened"], events, title, [1, 4])
                made["classes"].append("timeline")
                node += made
        return [node]


def visit_player(self, node):
    self.body.append(self.starttag(node, "div", CLASS="player delivery-player"))
    if self.builder.name == "epub":  # No script runs there.
        return
    guarantees, brokers = (
        "".join(f"<option>{each}</option>" for each in choices)
        for choices in (GUARANTEES, node["brokers"])
    )
    self.body.append(
        CONTROLS.format(
            id=node["identifier"],
            runs=html.escape(json.dumps(node["runs"])),
            guarantees=guarantees,
            brokers=brokers,
        )
    )


def depart_player(self, node):
    self.body.append("</div>\n")


def setup(app):
    app.add_node(delivery_player, html=(visit_player, depart_player))
    app.add_directive("delivery-player", DeliveryPlayer)
    load_script(app, delivery_player, "delivery_player")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

"""The `capacity-calculator` directive: load, backlog, drain time and disk of a system.

Its tables are on the page and in the ePub; a script lets the reader change them.
"""

# ruff: noqa: RUF001 (The formulas have Greek letters and signs.)
import html
import json
import math

from docutils import nodes
from script import load_script
from sphinx.util.docutils import SphinxDirective
from table import entry, table

# What goes in: the label, the unit, what it begins with, and the least and the most.
FIELDS = {
    "rate": ("Arrival rate λ", "messages/s", 1000, 1, 10_000_000),
    "size": ("Message size", "bytes", 1000, 1, 1_000_000_000),
    "service": ("Service time of a message", "ms", 4, 0.01, 3_600_000),
    "consumers": ("Consumers", "", 6, 1, 100_000),
    "partitions": ("Partitions", "", 12, 1, 100_000),
    "outage": ("Outage of the consumers", "min", 10, 0, 100_000),
    "wanted": ("Wanted drain time", "min", 20, 1, 100_000),
    "retention": ("Retention", "days", 7, 0.01, 3650),
    "replication": ("Replication factor", "", 3, 1, 100),
    "headroom": ("Disk kept free", "%", 30, 0, 90),
    "prefetch": ("Prefetch of a consumer", "", 10, 1, 65_535),
    "round_trip": ("Round trip to the broker", "ms", 10, 0, 60_000),
    "poll": ("max.poll.records", "", 500, 1, 1_000_000),
}
WHOLE = ("consumers", "partitions", "replication", "prefetch", "poll")
POLL_SECONDS = 300  # The default of max.poll.interval.ms, in seconds.
STEP = 1e-9  # What rounding may add to a quotient; it is no further consumer.

# What comes out: the name and its formula.
RESULTS = {
    "busy": ("Busy consumers", "c = min(consumers, partitions)"),
    "capacity": ("Capacity", "c × μ, with μ = 1 / service time"),
    "load": ("Load", "ρ = λ / (c × μ)"),
    "backlog": ("Backlog after the outage", "B = λ × outage"),
    "drain": ("Drain time", "B / (c × μ − λ)"),
    "lag": ("Lag in time when the outage ends", "B / (c × μ)"),
    "needed": ("For the wanted drain time", "c ≥ (λ + B / wanted) / μ"),
    "in_flight": ("In flight", "L = min(λ, c × μ) × (round trip + service time)"),
    "prefetch_needed": (
        "Prefetch that keeps a consumer busy",
        "μ × (round trip + service time)",
    ),
    "prefetch_rate": (
        "Rate that the prefetch allows",
        "c × min(μ, prefetch / (round trip + service time))",
    ),
    "poll_time": ("Time between two polls", "max.poll.records × service time"),
    "kafka_disk": (
        "Disk of Kafka",
        "λ × size × retention × replication / (1 − kept free)",
    ),
    "queue": ("Disk of RabbitMQ's queue", "B × size × replication"),
}
NOTE = """
The rates are averages, and a message takes its average time.
For a queue of RabbitMQ, set the partitions to the number of the consumers.
Kafka's disk is that of the uncompressed values, without keys, headers and indexes.
"""
CONTROLS = """\
<fieldset hidden data-start="{start}">
<legend>Try your own numbers</legend>
<p>The page computes everything itself and sends your numbers nowhere.</p>
<div>{fields}</div>
<p id="{id}-says" role="status"></p>
</fieldset>
"""
FIELD = """\
<label><span>{label}</span>
<input name="{name}" type="number" min="{least}" max="{most}" step="{step}"
 value="{value}" aria-describedby="{id}-says" autocomplete="off"></label>
"""


class capacity_calculator(nodes.General, nodes.Element):
    """Holds the tables and their note."""


def beginning():
    """Return what the calculator begins with."""
    return {name: field[2] for name, field in FIELDS.items()}


def whole(quotient):
    """Return the least whole number that is not below `quotient`."""
    return math.ceil(quotient - STEP)


def computed(given):
    """Return the numbers that come of `given`: seconds, messages, bytes, rates.

    `drain` is None where the backlog never drains.
    """
    rate = given["rate"]
    busy = min(given["consumers"], given["partitions"])
    capacity = busy * 1000 / given["service"]
    backlog = rate * given["outage"] * 60
    seconds = (given["round_trip"] + given["service"]) / 1000
    by_prefetch = busy * given["prefetch"] / seconds
    wanted_rate = rate + backlog / (given["wanted"] * 60)
    stored = rate * given["size"] * given["retention"] * 86400 * given["replication"]
    return {
        "busy": busy,
        "capacity": capacity,
        "load": rate / capacity,
        "backlog": backlog,
        "drain": backlog / (capacity - rate) if rate < capacity else None,
        "lag": backlog / capacity,
        "needed": whole(wanted_rate * given["service"] / 1000),
        "in_flight": min(rate, capacity) * seconds,
        "prefetch_needed": whole(seconds * 1000 / given["service"]),
        "prefetch_rate": min(capacity, by_prefetch),
        "poll_time": given["poll"] * given["service"] / 1000,
        "kafka_disk": stored / (1 - given["headroom"] / 100),
        "queue": backlog * given["size"] * given["replication"],
    }


def number(value):
    """Return `value` as a text of about three digits, without zeros at its end."""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    scaled = math.floor(value * 10**digits + 0.5)
    if value > 0 and not scaled:
        return "below 0.01"
    before, after = divmod(scaled, 10**digits)
    end = f".{after:0{digits}}".rstrip("0").rstrip(".") if digits else ""
    return f"{before:,}{end}"


def in_unit(value, units):
    """Return `value` in the last of the units, {name: size}, that is not too large."""
    name, size = next(iter(units.items()))
    for other, larger in units.items():
        if value >= larger:
            name, size = other, larger
    return f"{number(value / size)} {name}"


SECONDS = {"ms": 0.001, "s": 1, "min": 120, "h": 7200, "days": 172_800}
LENGTHS = {"ms": 0.001, "s": 1, "min": 60, "h": 3600, "days": 86_400}
BYTES = {"bytes": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "PB": 1e15}


def time(seconds):
    """Return a length of time in the unit that suits it, up to 120 of each."""
    if not seconds:
        return "0 s"
    name = "ms"
    for other, least in SECONDS.items():
        if seconds >= least:
            name = other
    return f"{number(seconds / LENGTHS[name])} {name}"


def words(given):
    """Return the text for each result."""
    found = computed(given)
    drains = found["drain"] is not None
    late = found["poll_time"] >= POLL_SECONDS
    one = found["needed"] == 1
    return {
        "busy": f"{found['busy']:,}",
        "capacity": f"{number(found['capacity'])} messages/s",
        "load": number(found["load"]) + ("" if drains else ": unstable"),
        "backlog": f"{number(found['backlog'])} messages",
        "drain": time(found["drain"]) if drains else "it never drains",
        "lag": time(found["lag"]),
        "needed": (
            f"{found['needed']:,} consumer{'' if one else 's'}, "
            "and at least as many partitions"
        ),
        "in_flight": f"{number(found['in_flight'])} messages",
        "prefetch_needed": f"{found['prefetch_needed']:,}",
        "prefetch_rate": f"{number(found['prefetch_rate'])} messages/s",
        "poll_time": f"{time(found['poll_time'])} of {POLL_SECONDS} s"
        + (": the group loses the consumer" if late else ""),
        "kafka_disk": in_unit(found["kafka_disk"], BYTES),
        "queue": in_unit(found["queue"], BYTES),
    }


def verdict(given):
    """Return the sentence over the results."""
    found = computed(given)
    if found["drain"] is not None:
        return (
            f"The load is {number(found['load'])}: "
            f"after the outage the backlog drains in {time(found['drain'])}."
        )
    least = math.floor(given["rate"] * given["service"] / 1000 + STEP) + 1
    return (
        "The load is 1 or more, so the system is unstable: it never drains. "
        f"It needs at least {least:,} busy consumers."
    )


def amount(name, value):
    """Return an input with its unit."""
    return f"{value:,} {FIELDS[name][1]}".strip()


class CapacityCalculator(SphinxDirective):
    """Show what comes of the numbers with which the calculator begins."""

    def run(self):
        serial = self.env.new_serialno("capacity-calculator")
        node = capacity_calculator(
            identifier=nodes.make_id(f"capacity-{self.env.docname}-{serial}")
        )
        self.set_source_info(node)
        given = beginning()
        rows = [[FIELDS[name][0], amount(name, given[name])] for name in FIELDS]
        inputs = table(["What goes in", "Value"], rows, "The example", [3, 2])
        inputs["classes"].append("given")
        text = words(given)
        rows = [
            [entry(name, nodes.literal(formula, formula)), text[key]]
            for key, (name, formula) in RESULTS.items()
        ]
        node += [
            inputs,
            table(["What comes out", "Value"], rows, verdict(given), [3, 2]),
            nodes.paragraph("", " ".join(NOTE.split())),
        ]
        return [node]


def field(identifier, name):
    label, unit, value, least, most = FIELDS[name]
    return FIELD.format(
        id=identifier,
        name=name,
        label=f"{label}, {unit}" if unit else label,
        least=least,
        most=most,
        step=1 if name in WHOLE else "any",
        value=value,
    )


def visit_calculator(self, node):
    self.body.append(self.starttag(node, "div", CLASS="player capacity-calculator"))
    if self.builder.name == "epub":  # No script runs there.
        return
    start = {
        "fields": FIELDS,
        "step": STEP,
        "poll": POLL_SECONDS,
        "seconds": SECONDS,
        "lengths": LENGTHS,
        "bytes": BYTES,
    }
    self.body.append(
        CONTROLS.format(
            id=node["identifier"],
            start=html.escape(json.dumps(start)),
            fields="".join(field(node["identifier"], name) for name in FIELDS),
        )
    )


def depart_calculator(self, node):
    self.body.append("</div>\n")


def setup(app):
    app.add_node(capacity_calculator, html=(visit_calculator, depart_calculator))
    app.add_directive("capacity-calculator", CapacityCalculator)
    load_script(app, capacity_calculator, "capacity_calculator")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

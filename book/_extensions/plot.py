"""The `plot` directive: a quantity of a lab's variants as a drawing and as a table."""

from html import escape
from statistics import median_low

from diagram import diagram, prepared
from docutils import nodes
from docutils.parsers.rst import directives
from lab import command, conditions, read
from labs.summary import column, spread
from shown import place
from sphinx.util.docutils import SphinxDirective
from table import table

WIDTH, LEFT, RIGHT, ROW = 360, 6, 354, 38  # A phone shows this width as it is.


def show(value):
    """Return a number as the page writes it."""
    return f"{value:,}"


def values(runs, variant, quantity):
    """Return what came out for a quantity in each run of a variant."""
    return [
        {**each["counts"], **each["seconds"]}[quantity]
        for each in runs
        if each["variant"] == variant
        and (quantity in each["counts"] or quantity in each["seconds"])
    ]


def step(most):
    """Return the round number by which an axis to `most` has two to four marks."""
    power = 1
    while power * 10 <= most:
        power *= 10
    while power > most:
        power /= 10
    return next(power * by for by in (0.5, 1, 2, 5) if most / (power * by) < 5)


def draw(rows, quantity):
    """Return an SVG: for each (name, colour, values) its median, range and runs."""
    most = max(max(some) for _, _, some in rows) or 1
    bottom = ROW * len(rows) + 4

    def at(value):
        return f"{LEFT + (RIGHT - LEFT) * value / most:.1f}"

    parts = []
    mark = step(most)
    for number in range(int(most / mark) + 1):
        x, text = at(number * mark), f"{round(number * mark, 6):,g}"
        anchor = "middle" if number else "start"
        if float(x) > LEFT + 330:
            anchor = "end"
        parts.append(
            f'<path d="M{x} 4V{bottom}" stroke="var(--muted)" stroke-width="0.5" '
            f'stroke-dasharray="2 3"/><text x="{x}" y="{bottom + 14}" '
            f'text-anchor="{anchor}" font-size="11" fill="var(--muted)">{text}</text>'
        )
    for number, (name, colour, some) in enumerate(rows):
        text, y = ROW * number + 16, ROW * number + 27
        least, most_, middle = at(min(some)), at(max(some)), at(median_low(some))
        ticks = "".join(f"M{at(each)} {y - 5}V{y + 5}" for each in some)
        parts.append(
            f'<text x="{LEFT}" y="{text}" font-size="13" fill="currentColor">'
            f'{escape(name)}</text><text x="{RIGHT}" y="{text}" text-anchor="end" '
            f'font-size="13" fill="currentColor">{show(median_low(some))}</text>'
            f'<path d="M{LEFT} {y}H{middle}" stroke="var(--muted)"/>'
            f'<path d="M{least} {y}H{most_}" stroke="{colour}" stroke-width="4"/>'
            f'<path d="{ticks}" stroke="{colour}"/>'
            f'<circle cx="{middle}" cy="{y}" r="5" fill="{colour}"/>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 20}" '
        f'font-family="sans-serif"><title>{escape(quantity.capitalize())}</title>'
        f"{''.join(parts)}</svg>"
    )


def colour(variant):
    """Return the colour of the broker that a variant names first."""
    for broker in ("Kafka", "RabbitMQ"):
        if variant.startswith(broker):
            return f"var(--{broker.lower()})"
    return "var(--accent)"


class Plot(SphinxDirective):
    """Draw one quantity of the variants of a lab, with all named ones in a table."""

    required_arguments = 1
    # `quantity` is drawn; the table has it and the `columns`. The variants are those
    # whose name begins with `group` and a colon, of these only `variants` if there are
    # any. With `conditions` it is said how it was run. A semicolon parts names.
    option_spec = dict.fromkeys(
        ("quantity", "columns", "group", "variants", "conditions"), directives.unchanged
    )

    def run(self):
        name, options = self.arguments[0], self.options
        data = read(self, name)
        known = list(dict.fromkeys(each["variant"] for each in data["runs"]))
        group = f"{options['group']}: " if "group" in options else ""
        chosen = [f"{group}{each}" for each in self.names("variants")]
        chosen = chosen or [each for each in known if each.startswith(group)]
        quantities = [*self.names("quantity"), *self.names("columns")]
        cells = {
            (variant, what): values(data["runs"], variant, what)
            for variant in chosen
            for what in quantities
        }
        drawn = [
            each for each in chosen if len(quantities) and cells[each, quantities[0]]
        ]
        if not drawn or not set(chosen) <= set(known):
            raise self.error(
                f"The plot of {name} needs a ':quantity:' and variants that it has: "
                f"{'; '.join(known)}."
            )
        rows = [(column(v), colour(v), cells[v, quantities[0]]) for v in drawn]
        said = "; ".join(f"{name} {spread(some, show)}" for name, _, some in rows)
        alt = f"Median and range of {data['times']} runs: {said}."
        number = self.env.new_serialno("plot")
        prefix = nodes.make_id(f"plot-{self.env.docname}-{number}") + "-"
        svg, width = prepared(draw(rows, quantities[0]), prefix, alt)
        caption = (
            f"{quantities[0].capitalize()}: the dot is the median of {data['times']} "
            "runs, the bar reaches from the least to the most, and each line across is "
            "a run."
        )
        content = [
            diagram("", nodes.paragraph("", caption), svg=svg, width=width),
            table(
                ["variant", *quantities],
                [
                    [column(v), *(spread(cells[v, what], show) for what in quantities)]
                    for v in chosen
                ],
            ),
        ]
        if "conditions" in options:
            run = nodes.paragraph("", f"Each was run {conditions(data)}.")
            content = [command(name), run, *content]
        here = place(self, "lab", name)
        return [*here, nodes.container("", *content, classes=["lab", "plot"])]

    def names(self, option):
        """Return what an option names between its semicolons."""
        parts = " ".join(self.options.get(option, "").split()).split(";")
        return [each.strip() for each in parts if each.strip()]


def setup(app):
    app.add_directive("plot", Plot)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

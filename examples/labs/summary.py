"""Sum up the runs of a lab, for the terminal and for the book's page."""

from statistics import median_low


def table(runs: list[dict]) -> tuple[list[str], dict[str, list[str]]]:
    """Return the variants, and for each quantity what came out for each variant."""
    variants = list(dict.fromkeys(each["variant"] for each in runs))
    rows: dict[str, list[str]] = {}
    for kind, show in (("counts", str), ("seconds", "{:.2f} s".format)):
        quantities = dict.fromkeys(what for each in runs for what in each[kind])
        for quantity in quantities:
            rows[quantity] = [
                spread(
                    [
                        each[kind][quantity]
                        for each in runs
                        if each["variant"] == variant and quantity in each[kind]
                    ],
                    show,
                )
                for variant in variants
            ]
    return variants, rows


def spread(values: list, show) -> str:
    """Return the median of `values` and its range, or the value if all are the same."""
    if not values:
        return "none"
    least, most = show(min(values)), show(max(values))
    if least == most:
        return least
    return f"{show(median_low(values))} ({least} to {most})"


def typical(runs: list[dict], variant: str) -> dict:
    """Return the run of a variant whose whole duration is the median one."""
    own = sorted(
        (each for each in runs if each["variant"] == variant),
        key=lambda each: each["timeline"][-1][0],
    )
    return own[(len(own) - 1) // 2]


def groups(variants: list[str], most: int = 0) -> list[tuple[str, list[str]]]:
    """Return the variants that stand side by side in one table, each with its title.

    A variant with a colon belongs to the group that it names before the colon. The
    others have no title, and are at most `most` in a group if that is not 0.
    """
    made: dict[str, list[str]] = {}
    for variant in variants:
        title, colon, _ = variant.partition(": ")
        made.setdefault(title if colon else "", []).append(variant)
    size = most or len(variants)
    return [
        (title, own[begin : begin + (len(own) if title else size)])
        for title, own in made.items()
        for begin in range(0, len(own), len(own) if title else size)
    ]


def column(variant: str) -> str:
    """Return what a variant is called within its group."""
    return variant.rpartition(": ")[2]


def compared(runs: list[dict], book: list[dict], variants: list[str]):
    """Yield each quantity, its cells for these variants, and those of the book.

    The book's are None if it has no run of the variants.
    """
    own, theirs = (
        table([each for each in some if each["variant"] in variants])
        for some in (runs, book)
    )
    for what, cells in own[1].items():
        recorded = theirs[1].get(what)
        if recorded:
            known = dict(zip(theirs[0], recorded, strict=True))
            recorded = [known.get(variant, "none") for variant in variants]
        yield what, dict(zip(own[0], cells, strict=True)), recorded


def report(runs: list[dict], book: list[dict]) -> str:
    """Return the timelines and the tables as text for a terminal.

    Below each quantity stands what it is in the book's runs, if there are any.
    """
    lines = []
    variants = table(runs)[0]
    for variant in variants:
        lines.append(f"\n{variant}")
        for seconds, event in typical(runs, variant)["timeline"]:
            lines.append(f"{seconds:7.2f} s  {event}")
    for title, own in groups(variants, most=4):
        rows = [(title, [column(variant) for variant in own])]
        for what, cells, recorded in compared(runs, book, own):
            rows.append((what, [cells[variant] for variant in own]))
            if recorded:
                rows.append(("  in the book", recorded))
        width = max(len(what) for what, _ in rows)
        columns = [max(len(cells[at]) for _, cells in rows) for at in range(len(own))]
        lines.append("")
        for what, cells in rows:
            padded = (
                f"{cell:{size}}" for cell, size in zip(cells, columns, strict=True)
            )
            lines.append(f"{what:{width}}  {'  '.join(padded)}".rstrip())
    return "\n".join(lines)

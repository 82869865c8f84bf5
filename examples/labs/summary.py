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


def report(runs: list[dict]) -> str:
    """Return the timelines and the table as text for a terminal."""
    lines = []
    variants, rows = table(runs)
    for variant in variants:
        lines.append(f"\n{variant}")
        for seconds, event in typical(runs, variant)["timeline"]:
            lines.append(f"{seconds:7.2f} s  {event}")
    width = max(len(row) for row in rows)
    columns = [
        max(len(variant), *(len(cells[number]) for cells in rows.values()))
        for number, variant in enumerate(variants)
    ]
    lines.append("")
    for row, cells in {"": variants, **rows}.items():
        padded = (cell.ljust(size) for cell, size in zip(cells, columns, strict=True))
        lines.append(f"{row:{width}}  {'  '.join(padded)}".rstrip())
    return "\n".join(lines)

"""Write what the runs of a lab gave as a web page, beside the book's figures."""

from pathlib import Path

from jinja2 import Template
from labs.summary import column, compared, groups, table, typical

PAGE = Path(__file__).with_name("report.html")
NAMES = {"kafka": "Kafka", "rabbitmq": "RabbitMQ"}


def conditions(result: dict) -> dict[str, str]:
    """Return on what a lab was run, when, and how often each variant was."""
    counts = [
        sum(each["variant"] == variant for each in result["runs"])
        for variant in table(result["runs"])[0]
    ]
    least, most = min(counts), max(counts)
    return {
        "Date": result["date"],
        "Machine": result["machine"],
        **{NAMES[broker]: number for broker, number in result["brokers"].items()},
        **result["clients"],
        "Runs of each": str(least) if least == most else f"{least} to {most}",
    }


def write(folder: Path, name: str, about: str, result: dict, book: dict) -> Path:
    """Write the page `name`.html into `folder`, and return its path.

    `about` is the lab's docstring. `result` and `book` have the form of a recorded lab;
    a book that has recorded nothing has only an empty list of runs.
    """
    runs, recorded = result["runs"], book["runs"]
    ours, theirs = conditions(result), conditions(book) if recorded else {}
    variants = table(runs)[0]
    tables = [
        (
            title,
            [column(variant) for variant in own],
            [
                (what, [cells[variant] for variant in own], book_cells)
                for what, cells, book_cells in compared(runs, recorded, own)
            ],
        )
        for title, own in groups(variants, most=4)
    ]
    template = Template(PAGE.read_text(), autoescape=True, trim_blocks=True)
    page = folder / f"{name}.html"
    folder.mkdir(parents=True, exist_ok=True)
    page.write_text(
        template.render(
            name=name,
            about=about.strip().split("\n\n"),
            conditions=[
                (what, ours.get(what, "none"), theirs.get(what, "none"))
                for what in {**ours, **theirs}
            ],
            has_book=bool(recorded),
            tables=tables,
            timelines=[(each, typical(runs, each)["timeline"]) for each in variants],
        ),
        encoding="utf-8",
    )
    return page

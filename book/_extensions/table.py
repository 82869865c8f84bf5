"""The tables that directives write; the first cell of each row is its heading."""

from docutils import nodes


def entry(*lines, classes=()):
    """Return a cell of lines, each a text or an inline node."""
    texts = (nodes.Text(line) if isinstance(line, str) else line for line in lines)
    content = [nodes.paragraph("", "", text) for text in texts]
    return nodes.entry("", *content, classes=list(classes))


def table(head, rows, title="", widths=()):
    """Return a table whose rows hold texts or cells; without `widths` all are equal."""
    group = nodes.tgroup("", cols=len(head))
    for number, width in enumerate(widths or [1] * len(head)):
        group += nodes.colspec("", colwidth=width, stub=0 if number else 1)
    for part, lines in ((nodes.thead(), [head]), (nodes.tbody(), rows)):
        for line in lines:
            cells = (entry(each) if isinstance(each, str) else each for each in line)
            part += nodes.row("", *cells)
        group += part
    made = nodes.table("", group, classes=["colwidths-given"] if widths else [])
    if title:
        made.insert(0, nodes.title("", title))
    return made

"""The `diagram` directive: an SVG figure inside the page, in the page's own colours."""

import re
from pathlib import Path
from xml.etree import ElementTree

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"

# Many reading systems know no CSS variables, so the ePub has the colours themselves.
# They have 4.5:1 on white and on black; `paper` lets the reader's own paper through.
EPUB_COLOURS = {
    "kafka": "#c94e10",
    "rabbitmq": "#8a58e2",
    "accent": "#1a7bb8",
    "muted": "#757575",
    "paper": "none",
}


COLOURS = {"currentColor", "none", *(f"var(--{name})" for name in EPUB_COLOURS)}


class diagram(nodes.General, nodes.Element):
    """A figure: `svg` is its source text; its children are the caption."""


def local(name):
    return name.rpartition("}")[2]


def prepared(source, prefix, alt):
    """Return an SVG with unique ids and a text alternative, and its natural width.

    Raises ValueError with a sentence when the file is not an SVG that a page can hold.
    """
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    try:
        root = ElementTree.fromstring(source)
    except ElementTree.ParseError as error:
        raise ValueError(f"is not well-formed XML: {error}.") from None
    if root.tag != f"{{{SVG}}}svg" or "viewBox" not in root.attrib:
        raise ValueError("needs an <svg> element with the SVG namespace and a viewBox.")
    for element in root.iter():
        if local(element.tag) in ("style", "script", "foreignObject"):
            raise ValueError(
                f"has a <{local(element.tag)}>, which would reach beyond the figure."
            )
        for name in ("fill", "stroke", "stop-color"):
            value = element.get(name, "none")
            if value not in COLOURS and not value.startswith("url("):
                allowed = ", ".join(sorted(COLOURS))
                raise ValueError(f"has the colour '{value}'. Use one of {allowed}.")
        if (
            local(element.tag) in ("text", "tspan")
            and element.get("fill") == "var(--paper)"
        ):
            raise ValueError(
                "has letters in the colour of the paper, which the ePub cannot show."
            )
    for element in root.iter():
        prefix_ids(element, prefix)
        if local(element.tag) in ("text", "tspan"):
            keep_from_highlighting(element)
    root.attrib.pop("width", None)
    root.attrib.pop("height", None)
    root.set("role", "img")
    describe(root, prefix, alt)
    width = float(root.get("viewBox").replace(",", " ").split()[2])
    return ElementTree.tostring(root, encoding="unicode"), width


def prefix_ids(element, prefix):
    for name, value in element.attrib.items():
        if name == "id":
            value = prefix + value
        elif local(name) == "href" and value.startswith("#"):
            value = "#" + prefix + value[1:]
        elif local(name) in ("aria-labelledby", "aria-describedby"):
            value = " ".join(prefix + one for one in value.split())
        else:
            value = re.sub(
                r"url\(\s*['\"]?#([^)'\"]+)['\"]?\s*\)", rf"url(#{prefix}\1)", value
            )
        element.set(name, value)


def keep_from_highlighting(element):
    """Sphinx would paint over words that a reader searched for, and fail on <title>."""
    element.set("class", f"{element.get('class', '')} nohighlight".strip())


def describe(root, prefix, alt):
    """Name the figure by its own title, if it has one, and describe it by `alt`."""
    own = root.findtext(f"{{{SVG}}}title", "").strip()
    for parent in list(root.iter()):
        for child in [c for c in parent if local(c.tag) in ("title", "desc")]:
            parent.remove(child)
    texts = {"title": own, "desc": alt} if own else {"title": alt}
    for place, (tag, text) in enumerate(texts.items()):
        element = ElementTree.Element(f"{{{SVG}}}{tag}", id=f"{prefix}{tag}")
        element.text = text
        keep_from_highlighting(element)
        root.insert(place, element)
    root.set("aria-labelledby", " ".join(f"{prefix}{tag}" for tag in texts))


class Diagram(SphinxDirective):
    """Show the SVG file named by the argument, relative to the page."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec = dict.fromkeys(("alt", "name"), directives.unchanged)

    def run(self):
        relative, full = self.env.relfn2path(self.arguments[0])
        self.env.note_dependency(relative)
        alt = " ".join(self.options.get("alt", "").split())
        if not alt:
            raise self.error(
                f"The diagram {relative} needs a line ':alt: …' "
                "that says in words what it shows."
            )
        if not Path(full).is_file():
            raise self.error(
                f"The diagram {relative} is missing. Draw it or correct the path."
            )
        number = self.env.new_serialno("diagram")
        prefix = nodes.make_id(f"figure-{self.env.docname}-{number}") + "-"
        try:
            svg, width = prepared(Path(full).read_text(encoding="utf-8"), prefix, alt)
        except ValueError as error:
            raise self.error(f"The diagram {relative} {error}") from None
        node = diagram(svg=svg, width=width)
        self.set_source_info(node)
        self.state.nested_parse(self.content, self.content_offset, node)
        self.add_name(node)
        return [node]


def visit_diagram(self, node):
    svg = node["svg"]
    if self.builder.name == "epub":
        svg = re.sub(r"var\(--(\w+)\)", lambda found: EPUB_COLOURS[found.group(1)], svg)
    # It shrinks with the page until letters of 14 px measure 10, then it scrolls.
    size = f"max-width: {node['width']:g}px; min-width: {0.7 * node['width']:g}px"
    if self.builder.name == "epub":  # Pages do not scroll sideways.
        size = f"max-width: {node['width']:g}px"
    svg = svg.replace("<svg ", f'<svg style="{size}" ', 1)
    self.body.append(self.starttag(node, "figure", CLASS="diagram"))
    self.body.append(f'<div class="diagram-drawing">{svg}</div>\n')
    if node.children:
        self.body.append("<figcaption>\n")


def depart_diagram(self, node):
    if node.children:
        self.body.append("</figcaption>\n")
    self.body.append("</figure>\n")


def setup(app):
    app.add_node(diagram, html=(visit_diagram, depart_diagram))
    app.add_directive("diagram", Diagram)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

"""Rewrites pages for the ePub, where nothing can be clicked open and no script runs."""

from docutils import nodes
from question import answer
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx_design.shared import is_component


def heading_level(node):
    """Return the level below the heading under which the node stands."""
    level = 1
    while node.parent is not None:
        node = node.parent
        level += isinstance(node, nodes.section)
    return min(level, 6)


class EpubPages(SphinxPostTransform):
    """Open what is closed, before sphinx-design makes its HTML at priority 199."""

    default_priority = 150
    builders = ("epub",)

    def run(self, **kwargs):
        for node in self.every(lambda n: is_component(n, "tab-set")):
            self.open_tabs(node)
        for node in self.every(lambda n: is_component(n, "dropdown")):
            self.open_dropdown(node)
        for title in self.every(lambda n: "with-broker" in n.get("classes", [])):
            title["heading-level"] = heading_level(title)
        self.move_answers()

    def every(self, wanted):
        return list(
            self.document.findall(lambda n: isinstance(n, nodes.Element) and wanted(n))
        )

    def open_tabs(self, tabs):
        """Put the tabs one below the other, each under a heading."""
        sections = []
        for item in tabs.children:
            if not is_component(item, "tab-item"):
                sections.append(item)
                continue
            label, content = item.children
            text = list(label.children)
            if label.get("sync_group") == "broker":
                text.insert(0, nodes.Text("With "))
            title = nodes.rubric("", "", *text, ids=label["ids"] + item["ids"])
            title["heading-level"] = heading_level(tabs)
            classes = [c for c in item["classes"] if not c.startswith("sd-")]
            sections.append(
                nodes.container(
                    "", title, *content.children, classes=["opened", *classes]
                )
            )
        tabs.replace_self(sections)

    def open_dropdown(self, dropdown):
        """Show the content of a dropdown in a box under its title."""
        children = list(dropdown.children)
        box = nodes.container("", classes=["opened", "box"], ids=dropdown["ids"])
        if dropdown.get("has_title"):
            title = children.pop(0)
            head = nodes.rubric("", "", *title.children, ids=title["ids"])
            head["heading-level"] = heading_level(dropdown)
            box += head
        box += children
        dropdown.replace_self(box)

    def move_answers(self):
        """Move the answers behind all the questions, with links there and back."""
        answers = self.every(lambda n: isinstance(n, answer))
        if not answers:
            return
        label = answers[0].get("label", "Answers")
        section = nodes.section("", nodes.title("", label), ids=["all-answers"])
        for number, node in enumerate(answers, 1):
            question = node.parent
            identifier = question["ids"][0]
            there = f"answer-{identifier.removeprefix('q-')}"
            label = node.get("label", "Answer")
            node.replace_self(link(f"→ {label} {number}", there, "to-answer"))
            title = nodes.title(
                "", "", *[child.deepcopy() for child in question[0].children]
            )
            section += nodes.section(
                "",
                title,
                *node.children,
                link(f"← Question {number}", identifier, "to-question"),
                ids=[there],
                classes=["moved-answer"],
            )
        top = next(self.document.findall(nodes.section))
        top += section


def link(text, target, name):
    reference = nodes.reference("", text, refid=target, internal=True)
    return nodes.paragraph("", "", reference, classes=[name])


def setup(app):
    app.add_post_transform(EpubPages)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

"""Makes the name of a program or lab lead to the place where the book shows it."""

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.nodes import make_refnode


def place(directive, kind, name):
    """Return the target before a program or lab, to which its name leads.

    A lab that is shown in parts has it before the first one.
    """
    standard = directive.env.domains.standard_domain
    label, here = f"{kind}-{name}", directive.env.docname
    if standard.labels.get(label, ("",))[0] == here:
        return []
    identifier = nodes.make_id(label)
    standard.anonlabels[label] = here, identifier
    standard.labels[label] = here, identifier, name.rpartition("/")[2]
    return [nodes.target("", "", ids=[identifier])]


class LeadToShown(SphinxPostTransform):
    """Turn each name in code that is a program's or a lab's into a link.

    The program's may have its broker at the end and its chapter before it. Of two
    programs of one name in two chapters the one of the page's own chapter is meant, and
    otherwise neither; a lab that has a program's name is meant after the word "lab".
    """

    default_priority = 5  # Before Sphinx resolves references.

    def run(self, **kwargs):
        for literal in list(self.document.findall(nodes.literal)):
            inside = (nodes.reference, addnodes.pending_xref, nodes.title)
            if not isinstance(literal.parent, inside) and (
                label := self.label(literal.astext(), self.before(literal))
            ):
                there, identifier = self.env.domains.standard_domain.anonlabels[label]
                around = self.app.builder, self.env.docname
                content = literal.deepcopy()
                literal.replace_self(make_refnode(*around, there, identifier, content))

    def before(self, literal):
        """Return the text that stands right before `literal`."""
        place = literal.parent.index(literal)
        return literal.parent[place - 1].astext() if place else ""

    def label(self, text, before):
        """Return the label of what `text` names, or None."""
        names = {text, text.removesuffix("_kafka"), text.removesuffix("_rabbitmq")}
        labels = self.env.domains.standard_domain.labels
        if (lab := f"lab-{text}") in labels and before.endswith("lab "):
            return lab
        found = [
            label
            for label in labels
            if label.startswith("example-")
            and names & {label.removeprefix("example-"), label.rpartition("/")[2]}
        ]
        chapter = self.env.docname.partition("/")[0]
        own = [each for each in found if each.startswith(f"example-{chapter}/")]
        if len(own or found) == 1:
            return (own or found)[0]
        return lab if lab in labels and not found else None


def setup(app):
    app.add_post_transform(LeadToShown)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

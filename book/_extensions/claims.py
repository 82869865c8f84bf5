"""Collects what the chapters say of versions and defaults, and what each rests on.

The `claims-register` directive lists it. In the source a sentence has a line of its
own, so a line of a paragraph is a sentence here.
"""

import re
from typing import ClassVar

from docutils import nodes
from example import BROKERS
from flashcards import inline
from pages import chapter, follow, link, reading_order
from sphinx.domains import Domain
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from table import table

# A sentence that holds for some versions, or speaks of what is set by default.
BOUND = re.compile(
    r"\b(?:since|from|until|before|with|in|as of|new in|up to|Kafka|RabbitMQ|PostgreSQL"
    r"|Debezium|kafka-python|confluent-kafka|librdkafka|pika|Erlang|Streams) "
    r"(?:version )?\d{1,2}\.\d+|\bKIP-\d+|\bby default|\bdefaults? (?:is|are|of|to)\b"
    r"|\b(?:is|are) the default",
    re.IGNORECASE,
)
REPEATS = ("Answers", "Recap", "Sources")  # Sections that repeat what was said.
PAGES = re.compile(r"(?!practice/)[^/]+/(?:index|questions)")
PROOF = "\0"  # Stands around a test, a program or a source in the text of a sentence.
ONLY_PROOFS = re.compile(rf" ?\((?:{PROOF}[^{PROOF}]*{PROOF}|[ ,;]|and)+\)")

logger = logging.getLogger(__name__)


class Claims(Domain):
    """Keeps the claims through incremental and parallel builds."""

    name = "claim"
    label = "Claim"
    initial_data: ClassVar = {"claims": []}

    def clear_doc(self, docname):
        self.data["claims"] = [
            each for each in self.data["claims"] if each["docname"] != docname
        ]

    def merge_domaindata(self, docnames, otherdata):
        self.data["claims"] += [
            each for each in otherdata["claims"] if each["docname"] in docnames
        ]

    def resolve_any_xref(self, *args, **kwargs):
        return []  # Nothing refers to a claim.

    def check_consistency(self):
        for claim in self.data["claims"]:
            if not claim["proofs"]:
                logger.warning(
                    f"'{claim['text']}' is bound to a version or a default and rests "
                    "on nothing. Name its test or program, or link its source, in the "
                    "same paragraph or section.",
                    location=(claim["docname"], claim["line"]),
                )


def proof(node):
    """Return what a node proves by: ("link", text, address) or ("code", name, "")."""
    if isinstance(node, nodes.reference) and "//" in node.get("refuri", ""):
        return "link", node.astext(), node["refuri"]
    if isinstance(node, nodes.literal):
        return "code", node.astext(), ""
    return None


def proofs_in(env, node):
    """Return what a part of a page proves by; code counts if it names what is run."""
    found = (proof(each) for each in node.findall(nodes.Inline))
    return [
        each for each in found if each and (each[0] == "link" or runs(env, each[1]))
    ]


def runs(env, name):
    """Tell whether a name in code is that of a test, of a program or of a lab."""
    return (
        name.startswith("test_")
        or name.removesuffix("_kafka").removesuffix("_rabbitmq").rpartition("/")[2]
        in env.run_names
    )


def sentences(env, paragraph):
    """Split a paragraph into sentences: (text, proofs)."""
    found = [["", []]]
    for child in paragraph.children:
        if isinstance(child, nodes.Text):
            first, *others = child.astext().split("\n")
            found[-1][0] += first
            found += [[other, []] for other in others]
            continue
        proofs = proofs_in(env, nodes.inline("", "", child.deepcopy()))
        found[-1][1] += proofs
        text = child.astext()
        if isinstance(child, nodes.literal) or text.startswith("test_"):
            text = f"`{text}`"
        found[-1][0] += f"{PROOF}{text}{PROOF}" if proofs else text
    return [(plain(text), proofs) for text, proofs in found]


def plain(text):
    """Return a sentence without the parentheses that hold nothing but proofs."""
    return ONLY_PROOFS.sub("", text).replace(PROOF, "").strip()


def within(node, kind):
    """Return the nearest node of a kind around a node, or None."""
    while node is not None and not isinstance(node, kind):
        node = node.parent
    return node


def heads(paragraph):
    """Return what stands over and before a cell of a table, which its text needs."""
    cell = within(paragraph, nodes.entry)
    if cell is None:
        return ""
    row, group = cell.parent, cell.parent.parent.parent
    names = [row[0].astext()] if cell is not row[0] else []
    if head := next(group.findall(nodes.thead), None):
        names.append(head[0][row.index(cell)].astext())
    return "".join(f"{name}: " for name in names)


def around(env, paragraph):
    """Return what the nearest part around a paragraph proves by: its row, its answer
    or its section without the sections in it.
    """
    node = paragraph
    while node.parent is not None:
        if found := proofs_in(env, node):
            return found
        node = node.parent
        if isinstance(node, nodes.section):
            own = [c for c in node.children if not isinstance(c, nodes.section)]
            return proofs_in(env, nodes.container("", *(c.deepcopy() for c in own)))
    return []


def collect(app, doctree):
    """Note the claims of a page that was read."""
    docname = app.env.current_document.docname
    if not PAGES.fullmatch(docname):
        return
    kept = app.env.get_domain("claim").data["claims"]
    for paragraph in doctree.findall(nodes.paragraph):
        section = within(paragraph, nodes.section)
        # What a directive has written has no line.
        if paragraph.line is None or section is None or section[0].astext() in REPEATS:
            continue
        if within(paragraph, nodes.thead) is not None:
            continue
        for text, proofs in sentences(app.env, paragraph):
            if not BOUND.search(text) or text.endswith("?"):
                continue
            kept.append(
                {
                    "text": heads(paragraph) + text,
                    "docname": docname,
                    "line": paragraph.line,
                    "id": section["ids"][0],
                    "section": section[0].astext(),
                    "proofs": list(dict.fromkeys(proofs or around(app.env, paragraph))),
                }
            )


def names_of_what_runs(app):
    """Note the names of the programs and the labs before any page is read."""
    root = (app.srcdir / app.config.examples_root).resolve()
    names = {
        path.stem.rpartition("_")[0]
        for broker in BROKERS
        for path in root.glob(f"*/*_{broker}.py")
    }
    app.env.run_names = names | {path.stem for path in root.glob("labs/*.json")}


class claim_list(nodes.General, nodes.Element):
    """Stands for the register until every page has been read."""


class ClaimsRegister(SphinxDirective):
    """Put the register into the page."""

    def run(self):
        self.env.metadata[self.env.docname]["claims_register"] = True
        return [claim_list()]


class ListClaims(SphinxPostTransform):
    """Replace every `claim_list` once all the claims are known."""

    default_priority = 4  # Before names of programs become links.

    def run(self, **kwargs):
        for node in list(self.document.findall(claim_list)):
            node.replace_self(self.register())

    def register(self):
        order = {name: number for number, name in enumerate(reading_order(self.env))}
        claims = sorted(
            self.env.get_domain("claim").data["claims"],
            key=lambda claim: (order.get(claim["docname"], 0), claim["line"] or 0),
        )
        chapters = {}
        for claim in claims:
            title = chapter(self.env, claim["docname"])
            chapters.setdefault(title, []).append(claim)
        count = f"{len(claims)} sentences in {len(chapters)} chapters."
        made = [nodes.paragraph("", count)]
        for title, found in chapters.items():
            head = nodes.rubric("", f"{title} ({len(found)})")
            head["heading-level"] = 2
            rows = [[self.said(claim), self.rests(claim)] for claim in found]
            listing = table(["Claim", "Rests on"], rows, widths=[3, 2])
            listing["classes"].append("claims")
            made += [head, listing]
        return made

    def said(self, claim):
        """Return the cell with the sentence and the place where it stands."""
        place = link(self.app, claim["docname"], claim["id"], claim["section"])
        text = nodes.paragraph("", "", *inline(claim["text"]))
        return nodes.entry("", text, nodes.paragraph("", "", place))

    def rests(self, claim):
        """Return the cell with the tests, programs and sources."""
        cell = nodes.entry("")
        for kind, text, address in claim["proofs"]:
            shown = nodes.literal("", text)
            if kind == "link":
                shown = nodes.reference("", text, refuri=address)
            cell += nodes.paragraph("", "", shown)
        return cell


def setup(app):
    app.add_node(claim_list)
    app.add_domain(Claims)
    app.add_directive("claims-register", ClaimsRegister)
    app.add_post_transform(ListClaims)
    app.connect("builder-inited", names_of_what_runs)
    app.connect("doctree-read", collect)
    follow(app, "claims_register")
    return {
        "version": "1",
        "env_version": 3,
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }

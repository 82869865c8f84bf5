"""The `flashcards` directive, and the same cards as a package for Anki.

The cards are in the questions (see `answer_parts`) and in the glossary, where each term
is one.
"""

import hashlib
import html
import re
from pathlib import Path

import genanki
from docutils import nodes
from pages import chapter, follow
from question_bank import questions_of
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

GLOSSARY = "glossary"
PACKAGE = "_static/proof-of-delivery.apkg"
# Anki knows a deck and a note type by its number, which therefore stays.
NOTE_TYPE = 1_764_550_001
CSS = """
.card { font: 20px/1.4 sans-serif; max-width: 34em; margin: auto; text-align: left }
.source { font-size: 14px; opacity: 0.7 }
"""
CODE = re.compile(r"`([^`]+)`")


class flashcards(nodes.General, nodes.Element):
    """Stands for the cards of one `source` until every page has been read."""


class flashcard(nodes.General, nodes.Element):
    """A card that the reader opens: its children are the front and the back."""


class anki_package(nodes.General, nodes.Element):
    """The link to the package, or in the ePub where it is to be found."""


class Flashcards(SphinxDirective):
    """The cards of a chapter, or those of the glossary."""

    required_arguments = 1

    def run(self):
        self.env.metadata[self.env.docname]["flashcards"] = True
        node = flashcards(source=self.arguments[0])
        self.set_source_info(node)
        return [node]


class AnkiPackage(SphinxDirective):
    """The link to the package."""

    def run(self):
        return [anki_package()]


def as_markdown(node):
    """Return a paragraph as text with its code between backticks."""
    return "".join(
        f"`{child.astext()}`" if isinstance(child, nodes.literal) else child.astext()
        for child in node.children
    )


def terms_of(env):
    """Return the glossary as cards: a term, and the first sentence that explains it."""
    if GLOSSARY not in env.found_docs:
        return []
    cards = []
    for item in env.get_doctree(GLOSSARY).findall(nodes.definition_list_item):
        term = item[0].astext()
        back = as_markdown(next(item.findall(nodes.paragraph))).partition("\n")[0]
        cards.append({"id": f"term-{nodes.make_id(term)}", "front": term, "back": back})
    return cards


def cards_of(env):
    """Return {source: (title, cards)}, the chapters in reading order and the glossary.

    A card is a dict with the keys id, front and back; the texts are Markdown in which
    nothing but code is marked.
    """
    found = {}
    for question in questions_of(env):
        source = question["docname"].partition("/")[0]
        title = chapter(env, question["docname"])
        found.setdefault(source, (title, []))[1].extend(question["cards"])
    if terms := terms_of(env):
        found[GLOSSARY] = (env.titles[GLOSSARY].astext(), terms)
    return found


def inline(markdown):
    """Return text and code as nodes."""
    parts = CODE.split(markdown)
    return [
        nodes.literal("", part) if number % 2 else nodes.Text(part)
        for number, part in enumerate(parts)
        if part
    ]


class ListCards(SphinxPostTransform):
    """Replace every `flashcards` once all the questions are known."""

    default_priority = 100

    def run(self, **kwargs):
        for node in list(self.document.findall(flashcards)):
            _, cards = cards_of(self.env).get(node["source"], ("", []))
            made = in_epub if self.app.builder.name == "epub" else on_the_page
            node.replace_self(made(cards))


def on_the_page(cards):
    """Return the cards one below the other, each closed."""
    return [
        flashcard(
            "",
            nodes.inline("", "", *inline(card["front"])),
            nodes.paragraph("", "", *inline(card["back"])),
            ids=[f"card-{card['id']}"],
        )
        for card in cards
    ]


def in_epub(cards):
    """Return all the fronts, and behind them all the backs, with links both ways."""
    sides = []
    for side, other, arrow in (("front", "back", "→"), ("back", "front", "←")):
        listing = nodes.enumerated_list(enumtype="arabic", classes=[f"cards-{side}"])
        for card in cards:
            target = f"{other}-{card['id']}"
            way = nodes.reference("", arrow, refid=target, internal=True)
            text = nodes.paragraph("", "", *inline(card[side]), nodes.Text(" "), way)
            listing += nodes.list_item("", text, ids=[f"{side}-{card['id']}"])
        sides.append(listing)
    title = nodes.rubric("", "The other sides")
    title["heading-level"] = 2
    return [sides[0], title, sides[1]]


def package(env):
    """Return the cards as decks of Anki, one for each chapter and for the glossary."""
    note_type = genanki.Model(
        NOTE_TYPE,
        "Proof of Delivery",
        fields=[{"name": name} for name in ("Front", "Back", "Source")],
        templates=[
            {
                "name": "Card",
                "qfmt": "{{Front}}",
                "afmt": "{{Front}}<hr id=answer>{{Back}}<p class=source>{{Source}}</p>",
            }
        ],
        css=CSS,
    )
    decks = []
    for source, (title, cards) in cards_of(env).items():
        number = int(hashlib.sha256(source.encode()).hexdigest()[:7], 16)
        deck = genanki.Deck(number, f"{env.config.project}::{title}")
        for card in cards:
            sides = [
                CODE.sub(r"<code>\1</code>", html.escape(card[side], quote=False))
                for side in ("front", "back")
            ]
            guid = genanki.guid_for(env.config.project, card["id"])
            deck.add_note(genanki.Note(note_type, [*sides, title], guid=guid))
        decks.append(deck)
    return genanki.Package(decks)


def write_package(app, exception):
    """Write the package beside the web pages."""
    if exception is None and app.builder.name == "html" and cards_of(app.env):
        path = Path(app.outdir) / PACKAGE
        path.parent.mkdir(parents=True, exist_ok=True)
        package(app.env).write_to_file(path)


def visit_card(self, node):
    self.body.append(self.starttag(node, "details", CLASS="flashcard"))
    self.body.append("<summary>")
    node[0].walkabout(self)
    self.body.append("</summary>\n")
    node[1].walkabout(self)
    self.body.append("</details>\n")
    raise nodes.SkipNode


def visit_package(self, node):
    if self.builder.name == "epub":
        self.body.append("<p>The web pages have them as a package for Anki.</p>\n")
    else:
        up = "../" * self.builder.current_docname.count("/")
        self.body.append(
            f'<p><a class="reference download internal" download href="{up}{PACKAGE}">'
            "The cards as a package for Anki</a></p>\n"
        )
    raise nodes.SkipNode


def setup(app):
    app.add_node(flashcards)
    app.add_node(flashcard, html=(visit_card, None))
    app.add_node(anki_package, html=(visit_package, None))
    app.add_directive("flashcards", Flashcards)
    app.add_directive("anki-package", AnkiPackage)
    app.add_post_transform(ListCards)
    follow(app, "flashcards")
    app.connect("build-finished", write_package)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

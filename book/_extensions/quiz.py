"""The `quiz` directive: a question with options, each of them explained.

Without a script it reads like a question with an answer; `quiz.js` lets a reader
choose, and keeps what was chosen in the browser.
"""

import hashlib
import re

from answer_parts import parts_of
from docutils import nodes
from docutils.parsers.rst import directives
from question import answer
from script import load_script
from sphinx.util.docutils import SphinxDirective

OPTIONS = (3, 4)  # How many options an item may have, the least and the most.
LETTERS = "ABCD"
NO_OPTIONS = (
    "It needs options: lines 'Right: …' and 'Wrong: …', each explained by ': …'."
)


class quiz_choice(nodes.list_item):
    """An option: on the web page with a button to choose it."""


def split(content):
    """Split an item into its body and its options: (term, offset, lines)."""
    for number, line in enumerate(content):
        if re.match(r"(Right|Wrong): ", line):
            return content[:number], number, parts_of(content[number:])
    raise ValueError(NO_OPTIONS)


def fault(options):
    """Return the sentence that says what is wrong with the options, or None."""
    for term, _, lines in options:
        if not re.match(r"(Right|Wrong): \S", term):
            return f"'{term}' is no option. Begin it with 'Right: ' or 'Wrong: '."
        if not "".join(lines).strip():
            return f"'{term}' has no explanation. Write it below, after ': '."
    if not OPTIONS[0] <= len(options) <= OPTIONS[1]:
        return f"It has {len(options)} options. Give it three or four."
    if sum(term.startswith("Right: ") for term, *_ in options) != 1:
        return (
            "One option is right. Begin it with 'Right: ', the others with 'Wrong: '."
        )
    return None


def place(identifier):
    """Return the key that sorts the options: by chance, and always in the same way."""
    return lambda option: hashlib.sha256(f"{identifier} {option[0]}".encode()).digest()


class Quiz(SphinxDirective):
    """An item as a titled section: body, options, and behind them the explanations."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec = dict.fromkeys(("id",), directives.unchanged)

    def run(self):
        identifier = self.options.get("id", "")
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", identifier):
            raise self.error(
                f"The quiz item '{self.arguments[0]}' needs a line ':id: …' "
                "of lower-case words joined by hyphens."
            )
        try:
            body, first, options = split(self.content)
        except ValueError as error:
            raise self.error(f"Quiz item '{identifier}': {error}") from None
        if sentence := fault(options):
            raise self.error(f"Quiz item '{identifier}': {sentence}")

        section = nodes.section(ids=[f"quiz-{identifier}"], classes=["quiz"])
        section["names"].append(f"quiz-{identifier}")
        self.set_source_info(section)
        self.state.document.note_explicit_target(section)
        title, messages = self.state.inline_text(self.arguments[0], self.lineno)
        section += nodes.title(self.arguments[0], "", *title)
        self.state.nested_parse(body, self.content_offset, section)
        choices = nodes.enumerated_list(enumtype="upperalpha", classes=["choices"])
        explained = nodes.definition_list(classes=["answer-parts"])
        options.sort(key=place(identifier))
        for letter, (term, offset, lines) in zip(LETTERS, options, strict=False):
            verdict, _, text = term.partition(": ")
            right = verdict == "Right"
            shown, _ = self.state.inline_text(text, self.lineno)
            choices += quiz_choice(
                "",
                nodes.paragraph(text, "", *shown),
                letter=letter,
                right=right,
                item=identifier,
            )
            why = nodes.definition()
            self.state.nested_parse(lines, self.content_offset + first + offset, why)
            # The ePub has the explanations on another page, so they name their option.
            again, _ = self.state.inline_text(text, self.lineno)
            said = nodes.paragraph("", "", *again, classes=["option"])
            why.insert(0, said)
            head = nodes.term("", f"{letter}: {verdict.lower()}")
            explained += nodes.definition_list_item(
                "", head, why, classes=["right"] if right else []
            )
        section += [choices, answer("", explained)]
        return [section, *messages]


def visit_choice(self, node):
    self.body.append(self.starttag(node, "li", ""))


def depart_choice(self, node):
    if self.builder.name != "epub":  # No script runs there.
        self.body.append(
            f'<button type="button" class="choose" hidden data-item="{node["item"]}" '
            f'data-letter="{node["letter"]}" '
            f'data-right="{str(node["right"]).lower()}">Choose {node["letter"]}'
            "</button>"
        )
    self.body.append("</li>\n")


def setup(app):
    app.add_node(quiz_choice, html=(visit_choice, depart_choice))
    app.add_directive("quiz", Quiz)
    load_script(app, quiz_choice, "quiz")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

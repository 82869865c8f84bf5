"""The `question` directive: an interview question, and its answer in named parts.

The body is a Markdown definition list, one entry a part.
The questions of the whole book are kept together: see `question_bank`.
"""

import re

from answer_parts import (
    SHORT_ANSWER_WORDS,
    fault,
    named,
    parts_of,
    without_cards,
    words,
)
from docutils import nodes
from docutils.parsers.rst import directives
from question_bank import LEVELS, QuestionBank
from sphinx.util.docutils import SphinxDirective


class answer(nodes.Element):
    """What the reader opens under a title: `<details>` on the web page.

    Its `label` says what it is, if it is no answer.
    """


class Question(SphinxDirective):
    """A question as a titled section with a stable target, and its answer below."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec = dict.fromkeys(("id", "level", "topics"), directives.unchanged)

    def run(self):
        identifier, level, topics = self.checked_options()
        if not isinstance(self.state_machine.node, nodes.section | nodes.document):
            raise self.error(
                f"Question '{identifier}' stands inside a box, a list or a tab. "
                "Move it directly under a heading."
            )
        try:
            parts, cards = without_cards(parts_of(self.content))
            parts = [(*named(term), *lines) for term, *lines in parts]
        except ValueError as error:
            raise self.error(f"Question '{identifier}': {error}") from None
        if sentence := fault(parts):
            raise self.error(f"Question '{identifier}': {sentence}")

        section = nodes.section(ids=[f"q-{identifier}"], names=[f"q-{identifier}"])
        section["classes"] += ["question"]
        self.set_source_info(section)
        self.state.document.note_explicit_target(section)
        title, messages = self.state.inline_text(self.arguments[0], self.lineno)
        section += nodes.title(self.arguments[0], "", *title)
        section += badges(level, topics)
        listing = nodes.definition_list(classes=["answer-parts"])
        kept = [self.one_part(listing, *part) for part in parts]
        section += answer("", listing)

        short = next(part for part in kept if part["name"] == "Short answer")
        if (count := words(short["text"])) > SHORT_ANSWER_WORDS:
            raise self.error(
                f"Question '{identifier}': the short answer has {count} words. "
                f"Cut it to {SHORT_ANSWER_WORDS}, which is what one says in 30 seconds."
            )
        self.env.get_domain("question").data["questions"].append(
            {
                "id": identifier,
                "title": section[0].astext(),
                "level": level,
                "topics": topics,
                "docname": self.env.docname,
                "line": self.lineno,
                "parts": kept,
                "cards": [
                    {"id": card, "front": front, "back": " ".join(lines).strip()}
                    for card, front, _, lines in cards
                ],
            }
        )
        return [section, *messages]

    def checked_options(self):
        identifier = self.options.get("id", "")
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", identifier):
            raise self.error(
                f"The question '{self.arguments[0]}' needs a line ':id: …' "
                "of lower-case words joined by hyphens."
            )
        level = self.options.get("level", "")
        if level not in LEVELS:
            raise self.error(
                f"Question '{identifier}': ':level:' is one of {', '.join(LEVELS)}, "
                f"not '{level}'."
            )
        topics = [topic.strip() for topic in self.options.get("topics", "").split(",")]
        if not all(topics):
            raise self.error(
                f"Question '{identifier}' needs a line ':topics: …' "
                "of topics separated by commas."
            )
        return identifier, level, topics

    def one_part(self, listing, name, question, first, lines):
        """Parse one part into `listing`; return what the environment keeps of it."""
        kind = "part-" + name.lower().replace(" ", "-")
        body = nodes.definition(classes=[kind])
        self.state.nested_parse(lines, self.content_offset + first, body)
        text = body.astext()
        if question:
            asked, _ = self.state.inline_text(question, self.lineno)
            body.insert(0, nodes.paragraph(question, "", *asked, classes=["follow-up"]))
        listing += nodes.definition_list_item(
            "", nodes.term("", name, classes=[kind]), body
        )
        markdown = "\n".join(lines).strip()
        return {"name": name, "question": question, "markdown": markdown, "text": text}


def badges(level, topics):
    """Return the line under a question's title: its level and its topics."""
    line = nodes.paragraph(classes=["question-facts"])
    line += nodes.inline("", level, classes=["level", f"level-{level}"])
    for topic in topics:
        line += nodes.Text(" ")
        line += nodes.inline("", topic, classes=["topic"])
    return line


def visit_answer(self, node):
    label = node.get("label", "Answer")
    self.body.append(f'<details class="answer">\n<summary>{label}</summary>\n')


def depart_answer(self, node):
    self.body.append("</details>\n")


def setup(app):
    app.add_node(answer, html=(visit_answer, depart_answer))
    app.add_domain(QuestionBank)
    app.add_directive("question", Question)
    return {
        "version": "1",
        "env_version": 2,
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }

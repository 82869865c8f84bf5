"""The `question` directive: an interview question, and its answer in named parts.

The body is a Markdown definition list, one entry a part.
The questions of the whole book are kept in the Sphinx environment: see `questions_of`.
"""

import re

from docutils import nodes
from sphinx.domains import Domain
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

LEVELS = ("junior", "senior", "staff")
MANDATORY = (
    "Signal",
    "Short answer",
    "Junior",
    "Senior",
    "Staff",
    "When it fails",
    "Evidence",
    "Trap",
)
TWINS = ("Kafka", "RabbitMQ")
FOLLOW_UP = "Follow-up"
FOLLOW_UPS = 2
SHORT_ANSWER_WORDS = 75

logger = logging.getLogger(__name__)


class answer(nodes.Element):
    """The part of a question that the reader opens: `<details>` on the web page."""


def words(text):
    """Count the words of a rendered text: what stands between blanks and holds a letter or digit."""
    return sum(any(character.isalnum() for character in word) for word in text.split())


def parts_of(content):
    """Split a definition list into parts: (term, number of its first line, its lines).

    A term is a line at the margin whose next line begins with `: `.
    Raises ValueError with a sentence when there is text before the first term.
    """
    parts = []
    for number, line in enumerate(content):
        following = content[number + 1] if number + 1 < len(content) else ""
        if line[:1].strip() and not line.startswith(": ") and following.startswith(": "):
            parts.append((line.strip(), number + 1, []))
        elif parts:
            # A line at the margin continues the part, as in any definition list.
            parts[-1][2].append(line[2:] if line.startswith((": ", "  ")) else line)
        elif line.strip():
            raise ValueError(f"'{line.strip()}' stands before the first part. Put it into one.")
    return parts


def named(term):
    """Return the name of a part and, for a follow-up, its question."""
    if term.startswith(f"{FOLLOW_UP}:"):
        return FOLLOW_UP, term.partition(":")[2].strip()
    return term, ""


def fault(names):
    """Return the sentence that says what is wrong with the parts of an answer, or None."""
    known = {*MANDATORY, *TWINS, FOLLOW_UP}
    for name in names:
        if name not in known:
            return f"'{name}' is no part of an answer. The parts are {', '.join(sorted(known))}."
        if name != FOLLOW_UP and names.count(name) > 1:
            return f"The part '{name}' is there twice. Keep one."
    for name in MANDATORY:
        if name not in names:
            return f"The part '{name}' is missing. Write it as '{name}', then a line ': …'."
    if names.count(FOLLOW_UP) != FOLLOW_UPS:
        return (
            f"There must be {FOLLOW_UPS} follow-ups, not {names.count(FOLLOW_UP)}. "
            "Write each as 'Follow-up: its question', then a line ': its answer'."
        )
    for one, other in (TWINS, TWINS[::-1]):
        if one in names and other not in names:
            return f"There is a part '{one}' and no part '{other}'. Write both or neither."
    return None


class Question(SphinxDirective):
    """A question as a titled section with a stable target, and its answer below."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec = {"id": str, "level": str, "topics": str}

    def run(self):
        identifier, level, topics = self.checked_options()
        if not isinstance(self.state_machine.node, nodes.section | nodes.document):
            raise self.error(
                f"Question '{identifier}' stands inside a box, a list or a tab. "
                "Move it directly under a heading."
            )
        try:
            parts = [(*named(term), *lines) for term, *lines in parts_of(self.content)]
        except ValueError as error:
            raise self.error(f"Question '{identifier}': {error}") from None
        if sentence := fault([name for name, *_ in parts]):
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
        for other in self.env.get_domain("question").data["questions"]:
            if other["id"] == identifier:
                raise self.error(taken(identifier, other, self.env.docname))
        level = self.options.get("level", "")
        if level not in LEVELS:
            raise self.error(
                f"Question '{identifier}': ':level:' is one of {', '.join(LEVELS)}, not '{level}'."
            )
        topics = [topic.strip() for topic in self.options.get("topics", "").split(",")]
        if not all(topics):
            raise self.error(
                f"Question '{identifier}' needs a line ':topics: …', separated by commas."
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
        listing += nodes.definition_list_item("", nodes.term("", name, classes=[kind]), body)
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


def taken(identifier, other, docname):
    return (
        f"The question id '{identifier}' in {docname} is already in {other['docname']}, "
        f"line {other['line']}. Give one of them another id."
    )


class QuestionDomain(Domain):
    """Keeps the questions through incremental and parallel builds."""

    name = "question"
    label = "Question"
    initial_data = {"questions": []}

    def clear_doc(self, docname):
        self.data["questions"] = [q for q in self.data["questions"] if q["docname"] != docname]

    def merge_domaindata(self, docnames, otherdata):
        self.data["questions"] += [q for q in otherdata["questions"] if q["docname"] in docnames]

    def resolve_any_xref(self, *args, **kwargs):
        return []  # A question is a labelled section, which the standard domain resolves.

    def check_consistency(self):
        seen = {}
        for question in sorted(self.data["questions"], key=lambda q: (q["docname"], q["line"])):
            other = seen.setdefault(question["id"], question)
            if other is not question:
                logger.warning(
                    taken(question["id"], other, question["docname"]),
                    location=(question["docname"], question["line"]),
                )


def reading_order(env):
    """Return the documents of the book in the order of the toctree."""
    order = []

    def walk(docname):
        if docname not in order:
            order.append(docname)
            for child in env.toctree_includes.get(docname, []):
                walk(child)

    walk(env.config.root_doc)
    return order


def questions_of(env):
    """Return the book's questions in reading order, as plain dicts.

    Keys: id, title, level, topics (a list), docname, line, and parts: a list of dicts with the
    keys name, question (of a follow-up, else empty), markdown and text.
    """
    place = {docname: number for number, docname in enumerate(reading_order(env))}
    return sorted(
        env.get_domain("question").data["questions"],
        key=lambda q: (place.get(q["docname"], len(place)), q["docname"], q["line"]),
    )


def visit_answer(self, node):
    self.body.append('<details class="answer">\n<summary>Answer</summary>\n')


def depart_answer(self, node):
    self.body.append("</details>\n")


def setup(app):
    app.add_node(answer, html=(visit_answer, depart_answer))
    app.add_domain(QuestionDomain)
    app.add_directive("question", Question)
    return {
        "version": "1",
        "env_version": 1,
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }

"""The questions of the whole book, for its index and whatever else needs them."""

from typing import ClassVar

from pages import reading_order
from sphinx.domains import Domain
from sphinx.util import logging

LEVELS = ("junior", "senior", "staff")

logger = logging.getLogger(__name__)


class QuestionBank(Domain):
    """Keeps the questions through incremental and parallel builds."""

    name = "question"
    label = "Question"
    initial_data: ClassVar = {"questions": []}

    def clear_doc(self, docname):
        self.data["questions"] = [
            q for q in self.data["questions"] if q["docname"] != docname
        ]

    def merge_domaindata(self, docnames, otherdata):
        self.data["questions"] += [
            q for q in otherdata["questions"] if q["docname"] in docnames
        ]

    def resolve_any_xref(self, *args, **kwargs):
        return []  # The standard domain resolves a question: it is a labelled section.

    def check_consistency(self):
        seen = {}
        for question in sorted(
            self.data["questions"], key=lambda q: (q["docname"], q["line"])
        ):
            other = seen.setdefault(question["id"], question)
            if other is not question:
                logger.warning(
                    f"The question id '{question['id']}' is already in "
                    f"{other['docname']}, line {other['line']}. "
                    "Give one of them another id.",
                    location=(question["docname"], question["line"]),
                )


def questions_of(env):
    """Return the book's questions in reading order, as plain dicts.

    Keys: id, title, level, topics (a list), docname, line, and parts: a list of dicts
    with the keys name, question (of a follow-up, else empty), markdown and text,
    and cards: a list of dicts with the keys id, front and back, both in Markdown.
    """
    place = {docname: number for number, docname in enumerate(reading_order(env))}
    return sorted(
        env.get_domain("question").data["questions"],
        key=lambda q: (place.get(q["docname"], len(place)), q["docname"], q["line"]),
    )

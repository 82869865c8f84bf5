"""The `question-draw` directive: sets of questions for a mock interview.

Three sets for each level are drawn here and stand in the page and in the ePub.
On the web page `question_draw.js` draws others, by level, chapter and time.
"""

import html
import json
import random

from docutils import nodes
from pages import address, chapter, follow, link
from question_bank import LEVELS, questions_of
from script import load_script
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

MINUTES_EACH = 5  # For a question with its two follow-ups.
SET = 6  # Questions in a set that is drawn here: half an hour.
SETS = 3  # For each level.
CONTROLS = """
<fieldset data-questions="{questions}" data-minutes="{minutes}" hidden>
<legend>Draw a set</legend>
<form>
<label>Level <select name="level"><option value="">any</option>{levels}</select></label>
<label>Chapter
<select name="chapter"><option value="">any</option>{chapters}</select></label>
<label>Minutes
<input name="minutes" type="number" min="5" max="120" step="5" value="30"></label>
<button type="submit">Draw</button>
</form>
<ol></ol>
<p role="status"></p>
</fieldset>
"""


class question_draw(nodes.General, nodes.Element):
    """Stands for the sets until every page has been read; then it holds them."""


class QuestionDraw(SphinxDirective):
    """Put the controls and the sets into the page."""

    def run(self):
        self.env.metadata[self.env.docname]["question_draw"] = True
        return [question_draw()]


def sets_of(questions, level):
    """Return sets of questions of a level, each of as many chapters as there are.

    They are drawn by chance and are the same for each build of the same questions.
    """
    chance = random.Random(level)
    pool = [q for q in questions if q["level"] == level]
    chance.shuffle(pool)
    drawn = []
    for _ in range(min(SETS, len(pool) // SET)):
        seen, chosen = set(), []
        for question in pool:
            part = question["docname"].partition("/")[0]
            if part not in seen and len(chosen) < SET:
                seen.add(part)
                chosen.append(question)
        chosen += [q for q in pool if q not in chosen][: SET - len(chosen)]
        pool = [q for q in pool if q not in chosen]
        drawn.append(chosen)
    return drawn


class DrawQuestions(SphinxPostTransform):
    """Fill every `question_draw` once all the questions are known."""

    default_priority = 100

    def run(self, **kwargs):
        for node in list(self.document.findall(question_draw)):
            questions = questions_of(self.env)
            node["questions"] = [
                [
                    question["title"],
                    address(self.app, question["docname"], f"q-{question['id']}"),
                    question["level"],
                    chapter(self.env, question["docname"]),
                ]
                for question in questions
            ]
            for level in LEVELS:
                for number, drawn in enumerate(sets_of(questions, level), 1):
                    title = nodes.rubric("", f"{level.capitalize()} set {number}")
                    title["heading-level"] = 3
                    listing = nodes.enumerated_list(enumtype="arabic")
                    listing += [self.entry(question) for question in drawn]
                    node += [title, listing]

    def entry(self, question):
        anchor = f"q-{question['id']}"
        found = link(self.app, question["docname"], anchor, question["title"])
        return nodes.list_item("", nodes.paragraph("", "", found))


def visit_draw(self, node):
    self.body.append(self.starttag(node, "div", CLASS="question-draw"))
    if self.builder.name == "epub":  # No script runs there.
        return
    chapters = dict.fromkeys(question[3] for question in node["questions"])
    self.body.append('<div class="player">')
    self.body.append(
        CONTROLS.format(
            questions=html.escape(json.dumps(node["questions"])),
            minutes=MINUTES_EACH,
            levels="".join(f"<option>{level}</option>" for level in LEVELS),
            chapters="".join(
                f"<option>{html.escape(title)}</option>" for title in chapters
            ),
        )
    )
    self.body.append("</div>\n")


def depart_draw(self, node):
    self.body.append("</div>\n")


def setup(app):
    app.add_node(question_draw, html=(visit_draw, depart_draw))
    app.add_directive("question-draw", QuestionDraw)
    app.add_post_transform(DrawQuestions)
    follow(app, "question_draw")
    load_script(app, question_draw, "question_draw")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

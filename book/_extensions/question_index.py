"""The `question-index` directive: every question by chapter, level and topic."""

from docutils import nodes
from pages import chapter, follow, link
from question_bank import LEVELS, questions_of
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

ORDERS = {"chapter": "By chapter", "level": "By level", "topic": "By topic"}


class question_list(nodes.Element):
    """Stands for the questions in one order until every page has been read."""


class QuestionIndex(SphinxDirective):
    """Put one section for each order into the page, and the counts before them."""

    def run(self):
        self.env.metadata[self.env.docname]["question_index"] = True
        result = [question_list(order="count")]
        for order, title in ORDERS.items():
            section = nodes.section(
                "", nodes.title("", title), question_list(order=order)
            )
            section["ids"].append(f"questions-by-{order}")
            section["names"].append(f"questions-by-{order}")
            self.state.document.note_explicit_target(section)
            result.append(section)
        return result


def grouped(env, order):
    """Return the questions as {heading: questions}, the headings in their order."""
    questions = questions_of(env)
    groups = {}
    if order == "chapter":
        for question in questions:
            groups.setdefault(chapter(env, question["docname"]), []).append(question)
    elif order == "level":
        for level in LEVELS:
            groups[level.capitalize()] = [q for q in questions if q["level"] == level]
    else:
        for topic in sorted(
            {topic for q in questions for topic in q["topics"]}, key=str.lower
        ):
            groups[topic] = [q for q in questions if topic in q["topics"]]
    return {heading: found for heading, found in groups.items() if found}


def counted(number, noun):
    return f"{number} {noun}{'' if number == 1 else 's'}"


class ListQuestions(SphinxPostTransform):
    """Replace every `question_list` once all the questions are known."""

    default_priority = 100

    def run(self, **kwargs):
        for node in list(self.document.findall(question_list)):
            if node["order"] == "count":
                node.replace_self(self.counts())
            else:
                node.replace_self(self.lists(node["order"]))

    def counts(self):
        questions = questions_of(self.env)
        levels = [
            f"{sum(q['level'] == level for q in questions)} for {level} level"
            for level in LEVELS
        ]
        text = f"{counted(len(questions), 'question')}: {', '.join(levels)}."
        return nodes.paragraph("", text, classes=["question-count"])

    def lists(self, order):
        result = []
        for heading, questions in grouped(self.env, order).items():
            title = nodes.rubric("", f"{heading} ({len(questions)})")
            title["heading-level"] = 3
            links = nodes.bullet_list(classes=["question-list"])
            links += [
                nodes.list_item("", nodes.paragraph("", "", *self.entry(q, order)))
                for q in questions
            ]
            result += [title, links]
        return result

    def entry(self, question, order):
        anchor = f"q-{question['id']}"
        found = link(self.app, question["docname"], anchor, question["title"])
        if order == "level":
            return [found]
        level = nodes.inline(
            "", question["level"], classes=["level", f"level-{question['level']}"]
        )
        return [found, nodes.Text(" "), level]


def setup(app):
    app.add_node(question_list)
    app.add_directive("question-index", QuestionIndex)
    app.add_post_transform(ListQuestions)
    follow(app, "question_index")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

"""The `exercise` and `solution` directives: a program to finish, and finished."""

import ast
from pathlib import Path

from docutils import nodes
from example import literal
from question import answer
from sphinx.util.docutils import SphinxDirective


def constant(source, name):
    """Return the text that a module gives to a name.

    Raises LookupError when it does not.
    """
    for item in ast.parse(source).body:
        if isinstance(item, ast.Assign) and item.targets[0].id == name:
            return ast.literal_eval(item.value)
    raise LookupError(name)


class Exercise(SphinxDirective):
    """Show the starting point, the command, why it fails at first, and the hints."""

    required_arguments = 1

    def run(self):
        name = self.arguments[0]
        code = literal(self.part("start.py"), "python")
        command = literal(
            f"$ python3 -m nox -s exercises -- {name}", "console", "example-command"
        )
        try:
            says = constant(self.part("check.py"), "STARTS_WITH")
        except LookupError:
            raise self.error(f"The check of '{name}' has no STARTS_WITH.") from None
        says_first = "At first its check says"
        fails = nodes.paragraph("", says_first, classes=["example-printed"])
        block = nodes.container(
            "",
            code,
            command,
            fails,
            literal(f"{says}\n", "text", "example-output"),
            classes=["example"],
        )
        hints = nodes.enumerated_list(enumtype="arabic")
        for hint in self.part("hints.md").strip().split("\n\n"):
            hints += nodes.list_item("", *self.parse_text_to_nodes(hint))
        return [block, answer("", hints, label="Hints")]

    def part(self, file):
        """Return the text of a file in the exercise's folder."""
        path = Path(self.env.srcdir, self.config.examples_root, "exercises").resolve()
        path = path / self.arguments[0] / file
        self.env.note_dependency(path)
        if not path.is_file():
            raise self.error(
                f"examples/exercises/{self.arguments[0]}/{file} is missing. "
                "Write it or correct the name."
            )
        return path.read_text(encoding="utf-8")


class Solution(Exercise):
    """Show the finished program."""

    def run(self):
        code = literal(self.part("solution.py"), "python")
        return [nodes.container("", code, classes=["example"])]


def setup(app):
    app.add_directive("exercise", Exercise)
    app.add_directive("solution", Solution)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

"""The `example` directive: one behaviour, its programs, and what each printed."""

import ast
import textwrap
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from shown import place
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective
from sphinx_design.shared import create_component

BROKERS = {"kafka": "Kafka", "rabbitmq": "RabbitMQ"}


def functions(source, names):
    """Return the source of the named top-level functions or classes, in that order.

    Raises KeyError with the first name that the source does not define.
    """
    lines = source.splitlines()
    found = {}
    for item in ast.parse(source).body:
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = min(
                [item.lineno, *(decorator.lineno for decorator in item.decorator_list)]
            )
            found[item.name] = "\n".join(lines[first - 1 : item.end_lineno])
    return "\n\n\n".join(found[name] for name in names) + "\n"


def region(source, name):
    """Return the lines between `# [name]` and `# [/name]`, without their common indent.

    Raises LookupError when a mark is missing or the two are in the wrong order.
    """
    lines = source.splitlines()
    marks = [line.strip() for line in lines]
    try:
        start = marks.index(f"# [{name}]")
        end = marks.index(f"# [/{name}]", start)
    except ValueError:
        raise LookupError(name) from None
    return textwrap.dedent("\n".join(lines[start + 1 : end])) + "\n"


def literal(text, language, *classes):
    block = nodes.literal_block(text, text, language=language, classes=list(classes))
    # A console block or an output need not satisfy a lexer.
    block["force"] = language not in ("python", "java")
    return block


class Example(SphinxDirective):
    """Show `examples/<name>_<broker>.py` for every broker that has it.

    The broker after which the program's folder is named comes first. A Java program
    that it drives is `<name>_<broker>.java` and is shown whole, before it.
    """

    required_arguments = 1
    option_spec = dict.fromkeys(
        ("function", "region", "only", "output"), directives.unchanged_required
    )

    def run(self):
        root = Path(self.env.srcdir, self.config.examples_root).resolve()
        only = self.options.get("only")
        if only and only not in BROKERS:
            raise self.error(f"':only:' is 'kafka' or 'rabbitmq', not '{only}'.")
        if self.options.get("output", "yes") not in ("yes", "no"):
            raise self.error("':output:' is 'yes' or 'no'.")
        if "function" in self.options and "region" in self.options:
            raise self.error("Give ':function:' or ':region:', not both.")
        name, shown = self.arguments[0], {}
        brokers = sorted(BROKERS, key=lambda each: not name.startswith(each))
        for broker in [only] if only else brokers:
            program = root / f"{self.arguments[0]}_{broker}.py"
            self.env.note_dependency(
                program
            )  # A twin that is written later rebuilds the page.
            if program.is_file():
                shown[broker] = self.one_program(root, program)
        if not shown:
            looked_for = " nor ".join(
                f"{root.name}/{self.arguments[0]}_{broker}.py"
                for broker in ([only] if only else BROKERS)
            )
            raise self.error(
                f"There is no program for '{self.arguments[0]}': no {looked_for}. "
                "Write it or correct the name."
            )
        here = place(self, "example", name)
        if len(shown) == 1:
            return [*here, self.titled_block(*shown.popitem())]
        return [*here, self.tab_set(shown)]

    def titled_block(self, broker, content):
        title = nodes.rubric("", f"With {BROKERS[broker]}", classes=["with-broker"])
        return nodes.container(
            "", title, *content, classes=["example", f"with-{broker}"]
        )

    def tab_set(self, shown):
        """Return sphinx-design's tab set, which keeps the choice from page to page."""
        tabs = create_component("tab-set", classes=["sd-tab-set", "example"])
        for broker, content in shown.items():
            label = nodes.rubric("", BROKERS[broker], classes=["sd-tab-label"])
            label["sync_group"], label["sync_id"] = "broker", broker
            body = create_component(
                "tab-content", classes=["sd-tab-content"], children=content
            )
            item = create_component(
                "tab-item",
                classes=["sd-tab-item", f"with-{broker}"],
                children=[label, body],
            )
            tabs += item
        self.set_source_info(tabs)
        return tabs

    def one_program(self, root, program):
        """Return the nodes for a program: path, code, command and recorded output.

        What it drives in Java comes before that.
        """
        name = program.relative_to(root).with_suffix("").as_posix()
        path = f"{root.name}/{name}.py"
        code = literal(self.part(program.read_text(encoding="utf-8"), path), "python")
        heading = nodes.paragraph(
            "", "", self.link(f"{name}.py", path), classes=["example-path"]
        )
        if shown := self.options.get("function"):
            heading += [nodes.Text(": "), nodes.literal(shown, shown)]
        elif "region" in self.options:
            heading += nodes.Text(": an extract")
        content = [
            *self.java(root, program.with_suffix(".java")),
            heading,
            code,
            literal(f"$ python {root.name} {name}", "console", "example-command"),
        ]
        if self.options.get("output") == "no":
            return content
        recorded = program.with_suffix(".out")
        self.env.note_dependency(recorded)
        if not recorded.is_file():
            raise self.error(
                f"{root.name}/{name}.out is missing: run `python -m nox -s outputs` "
                "to record what the program prints, or write ':output: no'."
            )
        output = literal(recorded.read_text(encoding="utf-8"), "text", "example-output")
        return [
            *content,
            nodes.paragraph("", "It printed", classes=["example-printed"]),
            output,
        ]

    def java(self, root, program):
        """Return the nodes for a Java program if there is one: its path and code."""
        self.env.note_dependency(program)  # One that is written later counts too.
        if not program.is_file():
            return []
        name = program.relative_to(root).as_posix()
        link = self.link(name, f"{root.name}/{name}")
        return [
            nodes.paragraph("", "", link, classes=["example-path"]),
            literal(program.read_text(encoding="utf-8"), "java"),
        ]

    def part(self, source, path):
        try:
            if "function" in self.options:
                names = [name.strip() for name in self.options["function"].split(",")]
                return functions(source, names)
            if "region" in self.options:
                return region(source, self.options["region"])
        except LookupError as missing:
            if "function" in self.options:
                wanted = f"function '{missing.args[0]}'"
            else:
                wanted = f"region '# [{missing.args[0]}]' … '# [/{missing.args[0]}]'"
            raise self.error(
                f"{path} has no {wanted}. Add it there or correct the name here."
            ) from None
        return source

    def link(self, name, path):
        """Return the path as a link to the source; by default it needs no network."""
        text = nodes.literal(path, path)
        if url := self.config.example_source_url:
            return nodes.reference("", "", text, refuri=url.format(path=path))
        relative = Path(self.config.examples_root, name)
        return addnodes.download_reference(
            "", "", text, reftarget="/" + relative.as_posix(), refdoc=self.env.docname
        )


def setup(app):
    app.add_config_value("examples_root", "../examples", "env")
    app.add_config_value("example_source_url", "", "env")
    app.add_directive("example", Example)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

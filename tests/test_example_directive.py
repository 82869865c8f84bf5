import pytest
from sphinx_build import SAMPLE, build, copy_of_the_sample, page, write

PROGRAMS = SAMPLE / "examples" / "fundamentals"
BROKERS, ENDS = ("kafka", "rabbitmq"), ("py", "out")
MAIN = "def main():\n    pass\n"


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return build(copy_of_the_sample(tmp_path_factory.mktemp("book")))


@pytest.fixture(scope="module")
def examples(sample):
    """The sample chapter's examples: twins, two functions of one, a lone region."""
    return page(sample.output, "fundamentals/index.html").select(".example")


def test_sample_has_no_warning(sample):
    assert sample.warnings == ""


def test_twins_are_tabs_that_share_the_readers_choice(examples):
    labels = examples[0].select(":scope > label")
    assert [label.text.strip() for label in labels] == ["Kafka", "RabbitMQ"]
    assert [label["data-sync-id"] for label in labels] == ["kafka", "rabbitmq"]
    assert {label["data-sync-group"] for label in labels} == {"broker"}


@pytest.mark.parametrize(
    ("folder", "first"),
    [
        ("fundamentals", "Kafka"),
        ("kafka_patterns", "Kafka"),
        ("rabbitmq_patterns", "RabbitMQ"),
    ],
)
def test_broker_of_the_chapter_is_the_first_tab(tmp_path, folder, first):
    files = {f"{folder}/a_{each}.{end}": MAIN for each in BROKERS for end in ENDS}
    write(tmp_path / "examples", files)
    one_page(tmp_path, f":::{{example}} {folder}/a\n:::")
    labels = page(build(tmp_path).output, "index.html").select("label[data-sync-id]")
    assert labels[0].text.strip() == first


def test_tab_shows_path_program_command_and_output(examples):
    kafka = examples[0].select_one(".sd-tab-content")
    code, command, output = kafka.select("pre")
    name = "competing_consumers_kafka"
    assert kafka.select_one(".example-path").text == f"examples/fundamentals/{name}.py"
    assert code.text.strip() == (PROGRAMS / f"{name}.py").read_text().strip()
    assert code.select("span.k"), "the program has no highlighting"
    assert command.text.strip() == f"$ python examples fundamentals/{name}"
    assert kafka.select_one(".example-printed").text == "It printed"
    assert output.text.strip() == (PROGRAMS / f"{name}.out").read_text().strip()


def test_program_can_be_downloaded_without_a_network(sample, examples):
    link = examples[0].select_one(".example-path a")
    downloaded = sample.output / "fundamentals" / link["href"]
    assert (
        downloaded.read_text()
        == (PROGRAMS / "competing_consumers_kafka.py").read_text()
    )


def test_named_functions_are_shown_alone_and_in_the_given_order(examples):
    code, command = (block.text for block in examples[1].select("pre"))
    assert code.startswith("def receive(orders):")
    assert "return orders[::2], orders[1::2]\n\n\ndef send(bootstrap, topic):" in code
    assert "__main__" not in code
    assert command.startswith("$ python examples")
    assert (
        examples[1]
        .select_one(".example-path")
        .text.endswith("_kafka.py: receive, send")
    )


def test_only_one_broker_is_a_titled_block_without_tabs(examples):
    assert examples[1].select_one("p.rubric").text == "With Kafka"
    assert examples[2].select_one("p.rubric").text == "With RabbitMQ"
    assert not examples[1].select("label, input")


def test_output_can_be_left_out(examples):
    assert not examples[1].select(".example-printed, .example-output")


def test_region_is_shown_without_its_marks_and_indent(examples):
    assert examples[2].pre.text == "orders.sort(reverse=True)\n"


def test_source_link_leads_to_the_repository_if_there_is_one(tmp_path):
    one_page(tmp_path, ":::{example} fundamentals/a\n:::\n", a_kafka="print()\n")
    sources = "https://code.example/book/{path}"
    built = build(tmp_path, example_source_url=sources)
    link = page(built.output, "index.html").select_one(".example-path a")
    assert link["href"] == "https://code.example/book/examples/fundamentals/a_kafka.py"


def test_java_program_is_shown_whole_before_what_drives_it(tmp_path):
    one_page(
        tmp_path, ":::{example} fundamentals/a\n:function: main\n:::", a_kafka=MAIN
    )
    java = "class A {}\n"
    write(tmp_path, {"examples/fundamentals/a_kafka.java": java})
    built = build(tmp_path)
    example = page(built.output, "index.html").select_one(".example")
    paths = example.select(".example-path")
    assert [path.text for path in paths] == [
        "examples/fundamentals/a_kafka.java",
        "examples/fundamentals/a_kafka.py: main",
    ]
    assert [block.text for block in example.select("pre")[:2]] == [java, MAIN]
    assert example.select("pre")[0].select("span.kd"), "Java has no highlighting"
    assert (built.output / paths[0].a["href"]).read_text() == java


@pytest.mark.parametrize(
    ("name", "block"), [("a_kafka.py", 0), ("a_kafka.java", 0), ("a_kafka.out", 2)]
)
def test_edited_program_or_output_rebuilds_the_page(tmp_path, name, block):
    one_page(
        tmp_path, ":::{example} fundamentals/a\n:only: kafka\n:::", a_kafka="print()\n"
    )
    build(tmp_path)
    write(tmp_path / "examples/fundamentals", {name: "edited = 1\n"})
    blocks = page(build(tmp_path).output, "index.html").select("pre")
    assert blocks[block].text.strip() == "edited = 1"


def test_new_twin_rebuilds_the_page(tmp_path):
    one_page(tmp_path, ":::{example} fundamentals/a\n:::", a_kafka="print()\n")
    build(tmp_path)
    one_page(tmp_path, ":::{example} fundamentals/a\n:::", a_rabbitmq="print()\n")
    assert (
        len(page(build(tmp_path).output, "index.html").select("label[data-sync-id]"))
        == 2
    )


@pytest.mark.parametrize(
    ("directive", "sentence"),
    [
        (
            ":::{example} fundamentals/b\n:::",
            "There is no program for 'fundamentals/b': "
            "no examples/fundamentals/b_kafka.py "
            "nor examples/fundamentals/b_rabbitmq.py. Write it or correct the name.",
        ),
        (
            ":::{example} fundamentals/a\n:only: rabbitmq\n:::",
            "There is no program for 'fundamentals/a': "
            "no examples/fundamentals/a_rabbitmq.py.",
        ),
        (
            ":::{example} fundamentals/a\n:only: redis\n:::",
            "':only:' is 'kafka' or 'rabbitmq', not 'redis'.",
        ),
        (
            ":::{example} fundamentals/a\n:function: main\n:region: part\n:::",
            "Give ':function:' or ':region:', not both.",
        ),
        (
            ":::{example} fundamentals/a\n:output: maybe\n:::",
            "':output:' is 'yes' or 'no'.",
        ),
        (
            ":::{example} fundamentals/a\n:function: main, missing\n:::",
            "examples/fundamentals/a_kafka.py has no function 'missing'.",
        ),
        (
            ":::{example} fundamentals/a\n:region: missing\n:::",
            "a_kafka.py has no region '# [missing]' … '# [/missing]'.",
        ),
        (
            ":::{example} fundamentals/a\n:region: reversed\n:::",
            "a_kafka.py has no region '# [reversed]' … '# [/reversed]'.",
        ),
        (
            ":::{example} fundamentals/silent\n:::",
            "examples/fundamentals/silent_kafka.out is missing: run `python -m nox",
        ),
    ],
)
def test_mistake_fails_the_build_with_a_sentence(tmp_path, directive, sentence):
    program = "def main():\n    pass\n\n\n# [/reversed]\n# [reversed]\n"
    one_page(tmp_path, directive, a_kafka=program)
    write(tmp_path, {"examples/fundamentals/silent_kafka.py": ""})
    assert sentence in build(tmp_path, "dummy").warnings


def one_page(folder, text, **programs):
    """Write a book of one page, and the programs with an output for each."""
    files = {"book/index.md": f"# Page\n\n{text}\n"}
    for name, source in programs.items():
        files[f"examples/fundamentals/{name}.py"] = source
        files[f"examples/fundamentals/{name}.out"] = "printed\n"
    return write(folder, files)

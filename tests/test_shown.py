"""A name in code leads to the program or the lab that bears it."""

import json

import pytest
from sphinx_build import build, page, write
from test_lab_directive import RECORDED

BOOK = {
    "book/index.md": "# Book\n\n:::{toctree}\none/index\ntwo/index\n:::\n",
    "book/one/index.md": """# One

:::{example} one/only
:::

:::{example} one/both
:::

:::{example} one/killed
:::

:::{lab} killed
:::

:::{lab} alone
:::
""",
    "book/two/index.md": """# Two

:::{example} two/both
:::

- `only`
- `only_rabbitmq`
- `both`
- `killed`
- lab `killed`
- `alone`
- `nowhere`
""",
    "book/two/questions.md": "---\norphan: true\n---\n# `only`\n\nIt is `only`.\n",
}
LEADS_TO = {
    "only": "example-one-only",
    "only_rabbitmq": "example-one-only",
    "both": "example-two-both",
    "killed": "example-one-killed",
    "lab killed": "lab-killed",
    "alone": "lab-alone",
    "nowhere": "",
}


@pytest.fixture(scope="module", params=["html", "epub"])
def built(request, tmp_path_factory):
    files = dict(BOOK)
    for lab in ("killed", "alone"):
        files[f"examples/labs/{lab}.json"] = json.dumps(RECORDED)
    for name in ("one/only", "one/both", "one/killed", "two/both"):
        for broker in ("kafka", "rabbitmq"):
            files[f"examples/{name}_{broker}.py"] = "def main():\n    pass\n"
            files[f"examples/{name}_{broker}.out"] = "printed\n"
    folder = write(tmp_path_factory.mktemp("book"), files)
    made = build(folder, request.param)
    end = {"html": "html", "epub": "xhtml"}[request.param]
    return lambda name: page(made.output, f"{name}.{end}")


def test_a_name_leads_to_the_place_where_it_is_shown(built):
    lines = [each for each in built("two/index").select("li") if each.find("code")]
    found = {}
    for line in lines:
        link = line.a
        found[line.text.strip()] = link["href"].partition("#")[2] if link else ""
    assert found == LEADS_TO


def test_the_place_is_there(built):
    here = {each["id"] for each in built("one/index").select("[id]")}
    assert {each for each in LEADS_TO.values() if "two" not in each} - {""} <= here


def test_a_heading_has_no_link_of_its_own(built):
    heading = built("two/questions").h1
    assert heading.select("a code") == []

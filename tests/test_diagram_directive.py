import re

import pytest
from diagram import EPUB_COLOURS
from sphinx_build import ROOT, build, copy_of_the_sample, page, write

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10">{}</svg>'
FIGURE = ":::{diagram} a.svg\n:alt: A box.\n:::\n"


@pytest.fixture(scope="module")
def chapter(tmp_path_factory):
    built = build(copy_of_the_sample(tmp_path_factory.mktemp("book")))
    return page(built.output, "fundamentals/index.html")


@pytest.fixture(scope="module")
def figures(chapter):
    return chapter.select("figure.diagram")


def test_figure_is_inlined_with_a_text_alternative(figures):
    svg = figures[0].svg
    assert svg["role"] == "img"
    title, description = (svg.find(id=name) for name in svg["aria-labelledby"].split())
    assert (title.name, title.text) == ("title", "Competing consumers")
    assert description.name == "desc"
    assert description.text.startswith("A shop sends orders to a queue.")


def test_figure_without_its_own_title_is_named_by_the_alternative(tmp_path):
    write(tmp_path, {"book/index.md": f"# P\n\n{FIGURE}", "book/a.svg": SVG.format("")})
    svg = page(build(tmp_path).output, "index.html").select_one("figure svg")
    assert svg.find(id=svg["aria-labelledby"]).text == "A box."


def test_caption_is_text_of_the_page(figures):
    assert figures[0].figcaption.text.strip() == "Each order goes to one worker."
    assert figures[0].figcaption.strong
    assert figures[1].figcaption is None


def test_named_figure_can_be_linked_to(chapter, figures):
    assert figures[0]["id"] == "queue-figure"
    assert chapter.select_one("p a[href='#queue-figure']").text == "the figure"


def test_ids_of_two_figures_never_collide(figures):
    first, second = (
        {tag["id"] for tag in figure.svg.select("[id]")} for figure in figures
    )
    assert first
    assert second
    assert not first & second


def test_references_inside_a_figure_lead_to_its_own_ids(figures):
    for figure in figures:
        used = re.findall(r"url\(#([^)]+)\)", str(figure.svg))
        assert used
        assert set(used) <= {tag["id"] for tag in figure.svg.select("[id]")}


def test_search_highlighting_leaves_the_figure_alone(figures):
    for tag in figures[0].svg.select("text, title, desc"):
        assert "nohighlight" in tag["class"]


def test_edited_figure_rebuilds_the_page(tmp_path):
    write(
        tmp_path,
        {"book/index.md": f"# P\n\n{FIGURE}", "book/a.svg": SVG.format("<g/>")},
    )
    build(tmp_path)
    write(tmp_path, {"book/a.svg": SVG.format("<circle/>")})
    assert page(build(tmp_path).output, "index.html").select("figure circle")


@pytest.mark.parametrize(
    ("directive", "drawing", "sentence"),
    [
        (":::{diagram} a.svg\n:::", "", "The diagram a.svg needs a line ':alt: …'"),
        (
            ":::{diagram} a.svg\n:alt:\n:::",
            "",
            "The diagram a.svg needs a line ':alt: …'",
        ),
        (":::{diagram} b.svg\n:alt: B.\n:::", "", "The diagram b.svg is missing."),
        (FIGURE, "<g>", "The diagram a.svg is not well-formed XML: "),
        (
            FIGURE,
            "<style>g{}</style>",
            "The diagram a.svg has a <style>, which would reach",
        ),
        (
            FIGURE,
            '<g fill="black"/>',
            "has the colour 'black'. Use one of currentColor, none",
        ),
        (
            FIGURE,
            '<text fill="var(--paper)"/>',
            "has letters in the colour of the paper",
        ),
    ],
)
def test_mistake_fails_the_build_with_a_sentence(
    tmp_path, directive, drawing, sentence
):
    write(
        tmp_path,
        {"book/index.md": f"# P\n\n{directive}\n", "book/a.svg": SVG.format(drawing)},
    )
    assert sentence in build(tmp_path, "dummy").warnings


def test_figure_without_a_view_box_fails_the_build(tmp_path):
    drawing = '<svg xmlns="http://www.w3.org/2000/svg"/>'
    write(tmp_path, {"book/index.md": f"# P\n\n{FIGURE}", "book/a.svg": drawing})
    assert (
        "The diagram a.svg needs an <svg> element" in build(tmp_path, "dummy").warnings
    )


def contrast(one, other):
    """The contrast ratio of two colours `#rrggbb`: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio"""

    def luminance(colour):
        channels = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
        linear = [
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
            for c in channels
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_colours_can_be_read_in_light_and_dark():
    css = (ROOT / "book/_static/book.css").read_text()
    pairs = re.findall(r"--(\w+): light-dark\((#\w{6}), (#\w{6})\)", css)
    colours = {name: (light, dark) for name, light, dark in pairs}
    papers = colours.pop("paper")
    assert set(colours) == set(EPUB_COLOURS) - {"paper"}
    for mode, paper in enumerate(papers):
        for name, pair in colours.items():
            assert contrast(pair[mode], paper) >= 4.5, (name, paper)


@pytest.mark.parametrize("paper", ["#ffffff", "#000000"])
def test_colours_of_the_epub_can_be_read_by_day_and_by_night(paper):
    for name, colour in EPUB_COLOURS.items():
        if name != "paper":
            assert contrast(colour, paper) >= 4.5, name

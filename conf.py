"""Sphinx settings, read with `-c .`; only what differs from the default."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent
sys.path[:0] = [str(ROOT / "book" / "_extensions"), str(ROOT / "examples")]

# The ePub bears the date of the commit, so that two builds of it are the same file.
if shutil.which("git") and "SOURCE_DATE_EPOCH" not in os.environ:
    command = ["git", "log", "-1", "--format=%ct"]
    commit = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if date := commit.stdout.strip():
        os.environ["SOURCE_DATE_EPOCH"] = date

project = "Proof of Delivery"
author = "The Proof of Delivery authors"
copyright = "2026, text CC BY-SA 4.0, code MIT"
version = release = "0.1"  # The ePub's metadata must name a version.
language = "en"

extensions = [
    "myst_parser",
    "sphinx_design",
    "sphinx_copybutton",
    "example",
    "lab",
    "plot",
    "shown",
    "question",
    "question_index",
    "question_draw",
    "quiz",
    "flashcards",
    "exercise",
    "claims",
    "client_defaults",
    "diagram",
    "partition_player",
    "exchange_player",
    "delivery_player",
    "capacity_calculator",
    "page_weight",
    "epub_pages",
    "epub_package",
]
exclude_patterns = ["_extensions", "_static", "_templates"]
templates_path = ["book/_templates"]
nitpicky = True  # A reference that leads nowhere is a warning; -W makes it an error.

myst_enable_extensions = [
    "colon_fence",
    "deflist",
    "attrs_inline",
    "attrs_block",
    "fieldlist",
]
myst_heading_anchors = 3  # Links such as [text](page.md#heading) reach the third level.

# The web page.
html_theme = "sphinx_book_theme"
html_title = project  # The default adds the version and the word "documentation".
html_favicon = "book/_static/favicon.svg"
html_static_path = ["book/_static"]
html_css_files = ["book.css"]
html_js_files = ["book.js"]
html_copy_source = False
html_show_sourcelink = False
html_use_index = False  # Nothing in the book makes an entry for a general index.
html_context = {"default_mode": "auto"}  # Light or dark as the reader's system says.
html_theme_options = {
    "use_download_button": False,  # It offers the source, which is not published.
    "use_fullscreen_button": False,
    "navbar_persistent": [],  # The side bar has the search button.
    "show_toc_level": 2,
}
copybutton_prompt_text = "$ "
# A recorded output is for reading; a program and a command are for copying.
copybutton_selector = "div:not(.example-output) > div.highlight pre"

# A sitemap and link previews need to know where the book is published.
html_baseurl = os.environ.get("BOOK_URL", "")
if html_baseurl:
    extensions += ["sphinx_sitemap", "sphinxext.opengraph"]
    sitemap_url_scheme = "{link}"  # There is one language and one version.
    ogp_site_url = html_baseurl
    ogp_social_cards = {"enable": False}  # They would need matplotlib.

# The ePub.
epub_description = (
    "Messaging and event-driven architecture for interviews, "
    "with every example run against real Kafka and real RabbitMQ."
)
epub_contributor = author
epub_identifier = "urn:uuid:5f0f6f6e-3f4e-4c53-9d0b-6a1f3c1b7a52"
epub_scheme = "UUID"
epub_uid = "book-id"
epub_basename = "proof-of-delivery"
epub_cover = ("_static/cover.png", "epub-cover.html")
epub_css_files = ["ebook.css"]
epub_show_urls = "footnote"  # A reader without a network still sees where a link leads.
epub_tocdepth = 2
epub_tocdup = False

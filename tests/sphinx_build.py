"""Builds a small book with the real `conf.py`."""

import io
import shutil
import warnings
from pathlib import Path
from types import SimpleNamespace

from bs4 import BeautifulSoup
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "tests" / "sample_book"


def build(folder, builder="html", parallel=1, **settings):
    """Build `folder`/book into `folder`/`builder`; return that, the warnings, the app.

    `settings` override those of conf.py.
    """
    log = io.StringIO()
    with docutils_namespace(), patch_docutils(ROOT), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of the packages that Sphinx loads.
        app = Sphinx(
            srcdir=folder / "book",
            confdir=ROOT,
            outdir=folder / builder,
            doctreedir=folder / "doctrees" / builder,
            buildername=builder,
            confoverrides={"nitpicky": True, **settings},
            status=None,
            warning=log,
            parallel=parallel,
        )
        app.build()
    return SimpleNamespace(output=folder / builder, warnings=log.getvalue(), app=app)


def write(folder, files):
    """Write {path: text} below `folder` and return it."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder


def copy_of_the_sample(folder):
    shutil.copytree(SAMPLE, folder, dirs_exist_ok=True)
    return folder


def page(output, name):
    """Return a built page, parsed."""
    return BeautifulSoup((output / name).read_text(encoding="utf-8"), "html.parser")

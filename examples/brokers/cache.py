"""What is downloaded once and kept: the cache folder, and how a part of it comes into being."""

import shutil
import sys
from contextlib import contextmanager
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

LOCK_WAIT = 900  # Seconds: another run may be downloading on a slow line.


class BrokerError(Exception):
    """Something a reader can act on; the text is one sentence that says what to do."""


def folder() -> Path:
    """Return this project's folder in the user's cache directory, which `XDG_CACHE_HOME` moves."""
    path = Path(platformdirs.user_cache_dir("proof-of-delivery", appauthor=False))
    try:
        path.mkdir(parents=True, exist_ok=True)
        (path / ".write-test").touch()
    except OSError as error:
        raise BrokerError(
            f"The cache folder {path} cannot be written ({error.strerror}): make it writable, "
            "or set XDG_CACHE_HOME to a folder that is."
        ) from error
    return path


@contextmanager
def locked(name: str):
    """Hold the lock `name`, so that two runs on one machine do not build the same thing."""
    try:
        with FileLock(folder() / f"{name}.lock", timeout=LOCK_WAIT):
            yield
    except Timeout as error:
        raise BrokerError(
            f"Another run has been preparing '{name}' for {LOCK_WAIT // 60} minutes: "
            "wait for it to end or stop it, then run this again."
        ) from error


def once(name: str, make) -> Path:
    """Return the folder `name` of the cache, made on first use.

    `make(staging, final)` fills the folder `staging`; it is then renamed to `final`, so a folder
    that has its final name is whole, and one left by a killed run is thrown away.
    """
    final = folder_to_read() / name
    if final.is_dir():
        return final
    with locked(name):
        if final.is_dir():
            return final
        staging = folder() / f"{name}.partial"
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir()
        make(staging, final)
        staging.rename(final)
    return final


def say(text: str) -> None:
    """Tell the reader on standard error what takes time, so that it never mixes with output."""
    print(text, file=sys.stderr, flush=True)


def track(text: str, steps, count: int) -> None:
    """Go through `steps`, of which there are `count`, and show how far it is."""
    from rich.console import Console
    from rich.progress import track

    for _ in track(steps, text, count, console=Console(stderr=True)):
        pass


def folder_to_read() -> Path:
    """Return the cache folder without asking that it be writable."""
    return Path(platformdirs.user_cache_dir("proof-of-delivery", appauthor=False))

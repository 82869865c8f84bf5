"""What is downloaded once and kept: the cache folder and how its parts are made."""

import shutil
import sys
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

LOCK_WAIT = 900  # Seconds: another run may be downloading on a slow line.


class BrokerError(Exception):
    """Something a reader can act on; the text is one sentence that says what to do."""


def folder() -> Path:
    """Return this project's folder in the user's cache; `XDG_CACHE_HOME` moves it."""
    return Path(platformdirs.user_cache_dir("proof-of-delivery", appauthor=False))


def once(name: str, make) -> Path:
    """Return the folder `name` of the cache, made on first use and then only read.

    `make(staging, final)` fills the folder `staging`, which is then renamed to `final`:
    a folder with its final name is whole, and one that a killed run left is thrown
    away. A lock keeps two runs from making the same. Raises BrokerError if the folder
    cannot be written.
    """
    final = folder() / name
    if final.is_dir():
        return final
    staging = folder() / f"{name}.partial"
    try:
        folder().mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder() / f"{name}.lock")
        try:
            held = lock.acquire(timeout=1)
        except Timeout:
            say(f"Another run is preparing '{name}': waiting for it …")
            held = lock.acquire(timeout=LOCK_WAIT)
        with held:
            if not final.is_dir():
                shutil.rmtree(staging, ignore_errors=True)
                staging.mkdir()
                make(staging, final)
                staging.rename(final)
    except Timeout as error:
        raise BrokerError(
            f"Another run has been preparing '{name}' for {LOCK_WAIT // 60} minutes: "
            "wait for it to end or stop it, then run this again."
        ) from error
    except OSError as error:
        raise BrokerError(
            f"{folder()} cannot be written ({error.strerror or error}): make it "
            "writable and keep 1 GB free, or set XDG_CACHE_HOME to a folder that is so."
        ) from error
    return final


def say(text: str) -> None:
    """Tell the reader what takes time, on standard error, apart from the output."""
    print(text, file=sys.stderr, flush=True)


def track(text: str, steps, count: int) -> None:
    """Go through `steps`, of which there are `count`, and show how far it is."""
    from rich.console import Console
    from rich.progress import track

    for _ in track(steps, text, count, console=Console(stderr=True)):
        pass

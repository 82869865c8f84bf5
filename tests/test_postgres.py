"""The PostgreSQL of the harness: a real server, for a run and for this computer."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
from brokers import BrokerError, postgres
from brokers.postgres import check, database, make_node, server
from brokers.process import HOST, free_ports
from listening import listeners
from waiting import until

RUN = """
import time
from brokers.postgres import server
with server() as url:
    print(url, flush=True)
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """A server of this module's own, since the tests kill it and start it again."""
    # pytest's folders are closed to others, and as root PostgreSQL is another user.
    with postgres.folder() as folder:
        node = make_node(folder)
        node.start()
        yield node
        node.stop()


def ask(url, statement):
    """Have one statement executed, and return the first row."""
    with psycopg.connect(url, connect_timeout=5, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchone() if cursor.description else None


def processes(url):
    """Return the processes that have the port of `url`.

    A connection that was closed lingers for a minute and has no process.
    """
    port = urlsplit(url).port
    found = [each for each in psutil.net_connections("tcp4") if each.pid]
    return {each.pid for each in found if each.laddr.port == port}


def test_it_is_postgresql_18_with_a_log_that_others_can_follow(node):
    assert ask(node.address, "SHOW server_version")[0].startswith("18.")
    assert ask(node.address, "SHOW wal_level") == ("logical",)


def test_a_commit_is_on_the_disk_when_it_returns(node):
    assert ask(node.address, "SHOW fsync") == ("on",)
    assert ask(node.address, "SHOW synchronous_commit") == ("on",)


def test_it_listens_only_on_this_computer(node):
    leash = psutil.Process(node.pid).parent()
    assert listeners(leash) == {(HOST, urlsplit(node.address).port)}
    sockets = psutil.Process(node.pid).net_connections("unix")
    assert [each for each in sockets if each.laddr] == []


def test_nobody_comes_in_without_its_password(node):
    url = urlsplit(node.address)
    stranger = url._replace(netloc=f"shop:guessed@{HOST}:{url.port}").geturl()
    with pytest.raises(psycopg.OperationalError, match="password authentication"):
        psycopg.connect(stranger)


def test_it_does_not_run_as_root(node):
    assert psutil.Process(node.pid).uids().effective != 0


def test_what_was_committed_outlives_a_kill(node):
    ask(node.address, "CREATE TABLE kept AS SELECT 1 AS number")
    node.kill()
    node.start()
    assert ask(node.address, "SELECT number FROM kept") == (1,)


def test_it_stops_at_once_although_a_client_is_there(node):
    with psycopg.connect(node.address) as client:
        node.grace, grace = 60, node.grace
        node.stop()
        assert not node.running
        with pytest.raises(psycopg.OperationalError):
            client.execute("SELECT 1")
    node.grace = grace
    node.start()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_it_ends_with_the_run_that_started_it(end):
    command = [sys.executable, "-c", RUN]
    home = Path(postgres.__file__).parents[1]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command, cwd=home, **pipes) as run:
        url = run.stdout.readline().strip()
        there = processes(url)
        data = Path(ask(url, "SHOW data_directory")[0])
        run.send_signal(end)
        run.wait(20)
    assert there
    assert until(lambda: not any(map(psutil.pid_exists, there)), 20)
    assert data.exists() == (end == signal.SIGKILL)  # The data of a killed run stays.
    shutil.rmtree(data.parent, ignore_errors=True)


def test_a_database_is_empty_and_is_dropped_with_what_follows_it(node):
    slots = "SELECT count(*) FROM pg_replication_slots"
    with database(node.address) as url:
        ask(url, "SELECT pg_create_logical_replication_slot('followed', 'pgoutput')")
        assert ask(node.address, slots) == (1,)
    assert ask(node.address, slots) == (0,)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url)


def test_a_server_of_the_readers_own_is_used(node, monkeypatch):
    monkeypatch.setenv(postgres.VARIABLE, node.address)
    with server() as url:
        assert url == node.address


def test_a_wrong_address_is_named_without_its_password(monkeypatch):
    (port,) = free_ports(1)
    monkeypatch.setenv(
        postgres.VARIABLE, f"postgresql://shop:secret@{HOST}:{port}/shop"
    )
    with pytest.raises(BrokerError, match=f"lets anybody in at .*{port}") as error:
        server().__enter__()
    assert "secret" not in str(error.value)


def test_what_is_no_url_is_named():
    with pytest.raises(BrokerError, match="set it to one like"):
        check("host=localhost")


def test_a_log_that_nobody_can_follow_is_named(node):
    command = node.command
    node.stop()
    node.command = [*command, "--wal_level=replica"]
    node.start()
    with pytest.raises(BrokerError, match="wal_level = replica, and nobody can"):
        check(node.address)
    node.stop()
    node.command = command
    node.start()


def test_a_user_who_may_not_make_a_database_is_named(node):
    ask(node.address, "CREATE ROLE guest LOGIN PASSWORD 'guest'")
    url = urlsplit(node.address)
    guest = url._replace(netloc=f"guest:guest@{HOST}:{url.port}").geturl()
    with pytest.raises(BrokerError, match="give it CREATEDB"):
        database(guest).__enter__()


def test_a_platform_without_the_package_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BrokerError, match="set POSTGRES_URL"):
        make_node(tmp_path)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only as root")
def test_a_folder_that_the_other_user_may_not_enter_is_named(tmp_path):
    tmp_path.chmod(0o700)
    inner = tmp_path / "inner"
    inner.mkdir()
    with pytest.raises(BrokerError, match="set TMPDIR"):
        make_node(inner)

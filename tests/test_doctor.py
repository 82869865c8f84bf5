"""The doctor says what is here and what is missing, and changes nothing."""

import socket
import subprocess
import sys
from pathlib import Path

import filelock
import platformdirs
import psutil
import pytest
from brokers import doctor, maven
from brokers.process import HOST, free_ports


@pytest.fixture
def report(capsys):
    """Let the doctor report, and return what it says about each thing."""

    def report():
        doctor.report()
        lines = capsys.readouterr().out.splitlines()
        return dict(line.split("  ", 1) for line in lines)

    return report


def test_what_is_here_is_named_with_its_version(kafka, rabbitmq, report, monkeypatch):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka)
    monkeypatch.setenv("AMQP_URL", rabbitmq)
    found = report()
    assert found["Kafka"].strip() == maven.version()
    assert found["Java"].strip().startswith("25.")
    assert found["PostgreSQL"].strip().startswith("18.")
    assert "of Debian" in found["RabbitMQ"] or "of this computer" in found["RabbitMQ"]
    assert "the broker answers" in found["KAFKA_BOOTSTRAP_SERVERS"]
    assert "the broker answers" in found["AMQP_URL"]


def test_what_is_missing_is_named_with_what_it_costs(report, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", f"{HOST}:{free_ports(1)[0]}")
    monkeypatch.setattr(doctor, "HOME", tmp_path)
    monkeypatch.setattr(doctor, "already_here", lambda: None)
    before = psutil.Process().children()
    found = report()
    parts = ("environment", *maven.TITLES.values(), "Kafka's fast starts", "RabbitMQ")
    for name in parts:
        assert found[name].strip().startswith("missing"), name
    assert "45 MB" in found["Kafka"]
    assert found["Java"].strip().startswith("missing")
    assert "35 MB" in found["Java"]
    assert found["PostgreSQL"].strip().startswith("missing")
    assert "25 MB" in found["PostgreSQL"]
    assert "No Kafka answers" in found["KAFKA_BOOTSTRAP_SERVERS"]
    assert not (tmp_path / "cache").exists()
    assert psutil.Process().children() == before


def test_a_port_in_use_is_named():
    with socket.create_server((HOST, 0)) as server:
        number = server.getsockname()[1]
        assert doctor.port(number) == "in use"
    assert doctor.port(number) == "free"


def test_it_works_with_what_nox_brings_along(tmp_path):
    for package in (filelock, platformdirs):
        folder = Path(package.__file__).parent
        (tmp_path / folder.name).symlink_to(folder)
    examples = str(Path(doctor.__file__).parents[1])
    bare = [sys.executable, "-S", examples, "--doctor"]
    environment = {"PYTHONPATH": str(tmp_path), "AMQP_URL": "amqp://localhost/"}
    run = subprocess.run(bare, env=environment, capture_output=True, text=True)
    assert run.stderr == ""
    assert "that needs the environment" in run.stdout

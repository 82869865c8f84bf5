"""The RabbitMQ half of the harness: real nodes that are stopped, killed and frozen."""

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from threading import Event, Thread

import pika
import psutil
import pytest
from brokers import BrokerError, rabbitmq, rabbitmq_install
from brokers.process import HOST, free_ports
from brokers.rabbitmq_node import free_port, rabbitmqctl
from listening import listeners
from pika.exceptions import AMQPError
from waiting import until

ORDERS = [f"order {number}" for number in range(50)]
PERSISTENT = pika.BasicProperties(delivery_mode=2)
LOOPBACK = {HOST, "::1"}  # epmd always listens at both.


@pytest.fixture(scope="module")
def broker():
    """One node, which the tests of this module stop and start."""
    with rabbitmq() as broker:
        yield broker


@pytest.fixture(scope="module")
def cluster():
    """Three nodes, and as `seen` the addresses that they listened at while starting."""
    seen, over = set(), Event()

    def look():
        while not over.is_set():
            seen.update(addresses())

    watch = Thread(target=look)
    watch.start()
    try:
        with rabbitmq(nodes=3) as cluster:
            over.set()
            cluster.seen = seen
            yield cluster
    finally:
        over.set()
        watch.join()


def addresses():
    """Return the IP addresses that this process's descendants listen at now."""
    return {address for address, _ in listeners(psutil.Process())}


def connect(address):
    return pika.BlockingConnection(pika.URLParameters(address))


def send(address, queue, kind, orders=ORDERS):
    """Declare a durable queue and publish `orders`, each confirmed before the next."""
    with connect(address) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": kind})
        for order in orders:
            channel.basic_publish("", queue, order.encode(), PERSISTENT)


def receive(address, queue, count):
    """Return `count` messages, or fewer if nothing comes for five seconds."""
    bodies = []
    with connect(address) as connection:
        channel = connection.channel()
        for method, _, body in channel.consume(queue, inactivity_timeout=5):
            if method is None:
                break
            channel.basic_ack(method.delivery_tag)
            bodies.append(body.decode())
            if len(bodies) == count:
                break
    return bodies


def test_confirmed_messages_survive_stop_and_start(broker):
    send(broker.address, "stopped", "quorum")
    broker.stop()
    with pytest.raises((AMQPError, OSError)):
        connect(broker.address)
    broker.start()
    assert receive(broker.address, "stopped", len(ORDERS)) == ORDERS


def test_a_killed_node_is_noticed_and_keeps_a_classic_queue(broker):
    send(broker.address, "killed", "classic")
    client = connect(broker.address)
    beam = psutil.Process(broker.nodes[0].pid)
    assert beam.name() == "beam.smp"
    broker.kill()
    assert not beam.is_running()
    with pytest.raises(AMQPError):
        client.process_data_events(time_limit=5)
    broker.start()
    assert receive(broker.address, "killed", len(ORDERS)) == ORDERS


def test_a_paused_node_confirms_only_after_resume(broker):
    send(broker.address, "paused", "classic", [])
    (node,) = broker.nodes
    order = (broker.address, "paused", "classic", ["an order"])
    publisher = Thread(target=send, args=order)
    node.pause()
    try:
        publisher.start()
        publisher.join(timeout=1)
        assert publisher.is_alive()
        assert node.running
    finally:
        node.resume()
        publisher.join(timeout=20)
    assert receive(broker.address, "paused", 1) == ["an order"]


def test_plugins_and_everything_else_listen_on_loopback_only(broker):
    with rabbitmq(
        plugins=["rabbitmq_management", "rabbitmq_prometheus", "rabbitmq_stream"]
    ) as more:
        port = pika.URLParameters(more.address).port
        for offset in (10000, 10020, -120):
            socket.create_connection((HOST, port + offset), timeout=5).close()
        assert HOST in (found := addresses())
        assert found <= LOOPBACK


def test_cluster_never_listens_outside_loopback(cluster):
    assert HOST in cluster.seen
    assert cluster.seen <= LOOPBACK


def test_cluster_serves_the_queue_without_its_leader_and_heals(cluster):
    def report(node, column):
        text = rabbitmqctl(node, "list_queues", column, "--formatter", "json")
        (queue,) = json.loads(text)
        return queue[column]

    send(cluster.address, "orders", "quorum")
    leader = report(cluster.nodes[0], "leader").partition("@")[0]
    assert len(report(cluster.nodes[0], "members")) == 3
    lost = next(node for node in cluster.nodes if node.name == leader)
    others = [node for node in cluster.nodes if node is not lost]
    lost.kill()
    send(others[0].address, "orders", "quorum", ["one more"])
    orders = [*ORDERS, "one more"]
    assert receive(others[1].address, "orders", len(orders)) == orders
    lost.start()
    assert until(lambda: len(report(others[0], "online")) == 3)
    others[0].stop()
    others[1].pause()
    others[1].resume()
    send(lost.address, "orders", "quorum", ["and another"])
    others[0].start()
    assert receive(others[0].address, "orders", 1) == ["and another"]


@pytest.mark.parametrize("offset", [0, 20000])
def test_a_port_in_use_is_named(offset):
    port = free_port(1)
    sentence = f"Port {port + offset} is in use.*AMQP_URL"
    with (
        socket.create_server((HOST, port + offset)),
        pytest.raises(BrokerError, match=sentence),
        rabbitmq(port=port),
    ):
        pass


def test_a_node_that_cannot_start_says_why():
    reason = "(?s)ended while it started.*failed_to_prepare_configuration"
    wrong = {"no.such.setting": "1"}
    with pytest.raises(BrokerError, match=reason), rabbitmq(settings=wrong):
        pass


HOLD = """
import psutil, time
from brokers import rabbitmq
with rabbitmq():
    print(*[each.pid for each in psutil.Process().children(recursive=True)], flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_killed_leaves_no_process(number):
    run = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    with run:
        children = [psutil.Process(int(pid)) for pid in run.stdout.readline().split()]
        names = {each.name() for each in children}
        os.killpg(run.pid, number)
    assert {"beam.smp", "epmd", "erl_child_setup", "inet_gethost"} <= names

    def gone(process):
        try:
            return process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    assert until(lambda: all(gone(each) for each in children)), [
        each for each in children if not gone(each)
    ]


# Getting RabbitMQ: apt works on a small mirror that is signed with a key made here.

NEEDS_APT = pytest.mark.skipif(
    not all(shutil.which(each) for each in ("apt-get", "dpkg-deb", "gpg")),
    reason="needs apt, dpkg-deb and gpg",
)


def quietly(*command, **options):
    subprocess.run(command, check=True, capture_output=True, **options)


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A folder that is a Debian mirror with two empty packages, in the suite forky."""
    folder = tmp_path / "mirror"
    suite = folder / "dists" / "forky"
    index = suite / "main" / f"binary-{architecture()}" / "Packages"
    index.parent.mkdir(parents=True)
    entries = []
    for name, needs in (("rabbitmq-server", "erlang-base"), ("erlang-base", "")):
        fields = f"Package: {name}\nVersion: 4.3.6\nArchitecture: all\n"
        fields += "Maintainer: Nobody <nobody@localhost>\nDescription: empty\n"
        fields += f"Depends: {needs}\n" if needs else ""
        (tmp_path / name / "DEBIAN").mkdir(parents=True)
        (tmp_path / name / "DEBIAN" / "control").write_text(fields)
        package = folder / f"{name}_4.3.6_all.deb"
        quietly("dpkg-deb", "--build", str(tmp_path / name), str(package))
        content = package.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        fields += f"Filename: {package.name}\nSize: {len(content)}\nSHA256: {digest}\n"
        entries.append(fields)
    index.write_text("\n".join(entries))
    digest = hashlib.sha256(index.read_bytes()).hexdigest()
    path = index.relative_to(suite)
    release = tmp_path / "Release"
    release.write_text(
        "Suite: testing\nCodename: forky\nDate: Mon, 01 Jun 2026 00:00:00 UTC\n"
        f"Architectures: all {architecture()}\nComponents: main\n"
        f"SHA256:\n {digest} {index.stat().st_size} {path}\n"
    )
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    gpg = ["gpg", "--batch", "--homedir", str(keys)]
    new_key = ["--quick-gen-key", "nobody@localhost", "rsa2048", "sign"]
    quietly(*gpg, "--passphrase", "", *new_key)
    quietly(*gpg, "--clearsign", "--output", str(suite / "InRelease"), str(release))
    quietly(*gpg, "--export", "--output", str(tmp_path / "key.gpg"))
    subprocess.run(["gpgconf", "--homedir", str(keys), "--kill", "all"], check=True)
    monkeypatch.setattr(
        rabbitmq_install, "find_keyrings", lambda _: [tmp_path / "key.gpg"]
    )
    monkeypatch.setenv("DEBIAN_MIRROR", f"file:{folder}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def architecture():
    return subprocess.check_output(["dpkg", "--print-architecture"], text=True).strip()


def refused():
    """Try to get RabbitMQ and return the sentence; nothing that counts may be left."""
    with pytest.raises(BrokerError) as error:
        rabbitmq_install.from_debian()
    cache = Path(os.environ["XDG_CACHE_HOME"]) / "proof-of-delivery"
    folders = [each for each in cache.glob("rabbitmq-*") if each.is_dir()]
    assert all(each.suffix == ".partial" for each in folders)
    return str(error.value)


@NEEDS_APT
def test_a_mirror_that_nobody_answers_at_is_named(mirror, monkeypatch):
    settings = mirror.parent / "apt.conf"
    settings.write_text('Acquire::Retries "0";\n')  # Otherwise it takes seven seconds.
    monkeypatch.setenv("APT_CONFIG", str(settings))
    (port,) = free_ports(1)
    monkeypatch.setenv("DEBIAN_MIRROR", f"http://{HOST}:{port}/debian")
    sentence = refused()
    assert f"apt could not get RabbitMQ from http://{HOST}:{port}/debian" in sentence
    assert "connect to the network" in sentence


@NEEDS_APT
def test_a_mirror_without_the_suites_is_named(mirror, capsys):
    shutil.rmtree(mirror / "dists")
    assert "does not have a Release file" in refused()
    assert "trixie" in capsys.readouterr().err


@NEEDS_APT
def test_a_mirror_that_debian_did_not_sign_is_refused(mirror, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv("DEBIAN_MIRROR", f"file:{mirror}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(mirror.parent / "cache"))
    assert "is not signed" in refused()


@NEEDS_APT
def test_a_changed_package_is_named(mirror):
    package = mirror / "erlang-base_4.3.6_all.deb"
    content = bytearray(package.read_bytes())
    content[-1] ^= 1
    package.write_bytes(content)
    assert "the package erlang-base (" in refused()


@NEEDS_APT
def test_packages_other_than_the_locked_are_named(mirror, capsys):
    (mirror / "rabbitmq-server_4.3.6_all.deb").unlink()
    assert "the package rabbitmq-server (" in refused()
    assert "rabbitmq.lock is behind Debian" in capsys.readouterr().err


def test_a_computer_without_apt_is_told_what_works_there(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    sentence = refused()
    assert "brew install rabbitmq" in sentence
    assert "docker compose up" in sentence


def test_later_runs_need_no_network(broker, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert rabbitmq_install.from_debian().version == broker.version


def test_an_older_rabbitmq_of_the_machine_is_left_alone(tmp_path):
    opt = tmp_path / "opt"
    for version in ("3.13.7", "4.1.9", "4.2.0", "4.10.1"):
        (opt / version / "plugins" / f"rabbit-{version}").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "epmd").touch(mode=0o755)
    found = rabbitmq_install.already_here((f"{opt}/*",))
    assert (found.version, found.sbin) == ("4.10.1", opt / "4.10.1" / "sbin")
    assert rabbitmq_install.already_here((f"{opt}/[34].1[!0]*",)) is None

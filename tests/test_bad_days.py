"""What goes wrong on real machines ends in a sentence and leaves nothing running."""

import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event

import psutil
import pytest
from brokers import (
    BrokerError,
    Node,
    cache,
    maven,
    programs,
    rabbitmq_node,
    serve,
)
from brokers.process import HOST, PORTS, free_ports
from brokers.reach import reach, yours
from waiting import until

ROOT = Path(__file__).parents[1]
ON_LINUX = pytest.mark.skipif(
    sys.platform != "linux", reason="reads /proc or /dev/full"
)


def python(*arguments, **environment):
    """Run Python in the book's folder and return what came of it."""
    return subprocess.run(
        [sys.executable, *arguments],
        env=own_environment(**environment),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        start_new_session=True,
    )


def popen(*arguments, environment=None, **options):
    """Start Python in the book's folder; `options` are those of Popen."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        env=own_environment(**(environment or {})),
        cwd=ROOT,
        text=True,
        **options,
    )


def own_environment(**changes):
    """Return the environment with `changes`, in which Python finds the harness."""
    found = {**os.environ, "PYTHONPATH": str(ROOT / "examples"), **changes}
    return {name: value for name, value in found.items() if value is not None}


def gone(process):
    """Tell whether the process has ended, if only as a zombie."""
    with suppress(psutil.NoSuchProcess):
        return process.status() == psutil.STATUS_ZOMBIE
    return True


# The cache folder


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """The folder of an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "proof-of-delivery"


def test_a_cache_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file" / "below"))
    sentence = f"{tmp_path}/file/below/.* cannot be written .*XDG_CACHE_HOME"
    with pytest.raises(BrokerError, match=sentence):
        cache.once("part", lambda staging, final: None)


@ON_LINUX
def test_a_full_disk_is_named(empty_cache):
    with pytest.raises(BrokerError, match=r"No space left on device.*keep 1 GB free"):
        cache.once("part", lambda staging, final: Path("/dev/full").write_text("x"))


def test_a_part_that_a_killed_run_left_is_made_again(empty_cache):
    killed = """if True:
        import os, signal
        from brokers.cache import once
        def make(staging, final):
            (staging / "half").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        once("part", make)
    """
    assert python("-c", killed).returncode == -signal.SIGKILL
    assert (empty_cache / "part.partial" / "half").exists()
    part = cache.once("part", lambda staging, final: (staging / "whole").touch())
    assert [each.name for each in part.iterdir()] == ["whole"]
    assert not (empty_cache / "part.partial").exists()


def test_two_runs_make_a_part_once(empty_cache, tmp_path):
    run = f"""if True:
        import os, time
        from pathlib import Path
        from brokers.cache import once
        def make(staging, final):
            Path({str(tmp_path)!r}, str(os.getpid())).touch()
            time.sleep(1.5)
        print(once("part", make))
    """
    with ThreadPoolExecutor() as pool:
        runs = list(pool.map(lambda _: python("-c", run), "12"))
    assert [each.stdout.strip() for each in runs] == [str(empty_cache / "part")] * 2
    assert len(list(tmp_path.glob("[0-9]*"))) == 1
    waited = "Another run is preparing 'part': waiting for it …\n"
    assert sorted(each.stderr for each in runs) == ["", waited]


# Getting Kafka

BOTH = """if True:
    from brokers import kafka, rabbitmq
    with kafka() as one, rabbitmq() as other:
        print(one.version, other.version)
"""


@pytest.fixture
def no_network():
    """An environment in which every way out leads to a port where nobody listens."""
    proxy = f"http://{HOST}:{free_ports(1)[0]}"
    names = ["http_proxy", "https_proxy", "all_proxy"]
    return {
        **{name: proxy for name in names},
        **{name.upper(): proxy for name in names},
        "no_proxy": None,
        "NO_PROXY": None,
    }


def test_the_first_run_without_network_says_what_to_fetch_and_how(tmp_path, no_network):
    run = python(
        "examples",
        "--all",
        "fundamentals/send_and_receive_kafka",
        XDG_CACHE_HOME=str(tmp_path),
        KAFKA_BOOTSTRAP_SERVERS=None,
        **no_network,
    )
    assert run.returncode == 1
    assert "could not be downloaded (ProxyError)" in run.stderr
    assert "needs Kafka gets it from Maven Central: connect" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.fixture(scope="module")
def warm_cache(kafka, rabbitmq):
    """The cache folder, with all that starting both brokers needs."""
    if yours("kafka") or yours("rabbitmq"):  # Then none was started.
        python("-c", BOTH)
    return cache.folder()


def test_a_later_run_needs_no_network_and_writes_nothing(warm_cache, no_network):
    def state():
        found = [warm_cache, *warm_cache.rglob("*")]
        return {(each, each.lstat().st_mtime_ns) for each in found}

    before = state()
    run = python("-c", BOTH, **no_network)
    assert run.returncode == 0, run.stderr
    assert state() == before


@pytest.fixture
def jars(warm_cache, empty_cache):
    """A cache with links to Kafka's jars."""
    home = empty_cache / maven.part()
    home.mkdir(parents=True)
    for jar in (warm_cache / maven.part()).glob("*.jar"):
        (home / jar.name).symlink_to(jar)
    return home


def test_a_jar_with_the_wrong_hash_is_refused_removed_and_named(jars):
    (jar,) = jars.glob("kafka-clients-*.jar")
    content = jar.read_bytes()
    jar.unlink()
    jar.write_bytes(content[:-1])
    name = f"org.apache.kafka:kafka-clients:{maven.version()}"
    with pytest.raises(BrokerError, match=f"{jar} is not the {name} that kafka.lock"):
        maven.install.__wrapped__()
    assert not jars.exists()


def test_a_jar_that_is_missing_is_named(jars):
    (jar,) = jars.glob("kafka-clients-*.jar")
    jar.unlink()
    with pytest.raises(BrokerError, match=f"{jar} is not .*: run this again"):
        maven.install.__wrapped__()


# A process


@pytest.fixture
def node(tmp_path):
    """A node with a shell script instead of a broker, ready when it says so."""
    node = Node("shell", "", tmp_path, [], {}, lambda: "ready" in node.log)

    def start(script):
        node.command = ["sh", "-c", script]
        node.start()
        return psutil.Process(node.pid)

    node.run = start
    yield node
    node.kill()


def test_a_process_that_ends_while_it_starts_is_named_with_its_last_lines(node):
    with pytest.raises(
        BrokerError, match=r"(?s)shell ended while it started.*farewell"
    ):
        node.run("seq 100; echo farewell; exit 3")
    assert len(node.log.splitlines()) == 20
    assert not node.running


def test_a_program_that_is_not_there_is_named(node):
    node.command = ["/no/such/program"]
    with pytest.raises(BrokerError, match="/no/such/program could not be started"):
        node.start()
    node.kill()  # And nobody else is: there is no process group to signal.


def test_a_deadline_that_passed_is_named_and_the_process_is_killed(node):
    node.deadline = 0.3
    with pytest.raises(BrokerError, match=r"(?s)not ready after 0.3 seconds.*dawdling"):
        node.run("echo dawdling; sleep 60")
    assert not node.running


def test_a_process_that_ignores_sigterm_is_killed_when_its_grace_is_over(node):
    node.grace = 0.3
    process = node.run("trap '' TERM; echo ready; while :; do sleep 0.1; done")
    node.stop()
    assert gone(process)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_the_end_of_a_paused_process_takes_its_children_along(node, end):
    process = node.run("sleep 60 & echo ready; wait")
    (child,) = process.children()
    node.pause()
    start = time.monotonic()
    getattr(node, end)()
    assert time.monotonic() - start < node.grace / 2
    assert gone(process)
    assert until(lambda: gone(child))


def test_a_process_that_dies_takes_its_children_along(node):
    process = node.run("sleep 60 & echo ready; wait")
    (child,) = process.children()
    process.kill()
    assert until(lambda: gone(child))
    assert until(lambda: not node.running)


def test_a_process_whose_leash_was_killed_is_ended_with_the_next_call(node):
    process = node.run("echo ready; sleep 60")
    process.parent().kill()
    assert until(lambda: not node.running)
    node.kill()
    assert until(lambda: gone(process))


def test_a_leash_that_was_killed_before_it_started_anything_ends_nobody_else():
    run = """if True:
        import subprocess
        from brokers.process import Leash
        leash = Leash()
        leash.process = subprocess.Popen(["sh", "-c", "kill -9 $$"])
        leash.end()
    """
    assert python("-c", run).returncode == 0


def test_ctrl_c_reaches_the_run_and_not_its_brokers(tmp_path):
    run = f"""if True:
        import os, signal, time
        from pathlib import Path
        from brokers import Node
        sleep = ["sleep", "60"]
        node = Node("sleep", "", Path({str(tmp_path)!r}), sleep, {{}}, lambda: True)
        node.start()
        try:
            os.killpg(0, signal.SIGINT)
            time.sleep(10)
        except KeyboardInterrupt:
            time.sleep(0.5)
            print(node.running)
        node.kill()
    """
    assert python("-c", run).stdout == "True\n"


def test_ports_are_given_once_and_not_from_those_of_outgoing_connections():
    first, second = free_ports(20), free_ports(20)
    assert len({*first, *second}) == 40
    following = PORTS[(PORTS.index(second[-1]) + 1) % len(PORTS)]
    with socket.create_server((HOST, following)):
        assert free_ports(1) != [following]


@ON_LINUX
def test_ports_lie_below_those_of_outgoing_connections():
    range_ = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text()
    assert max(PORTS) < int(range_.split()[0])


def test_two_clusters_at_once_do_not_meet(warm_cache):
    run = """if True:
        from brokers import kafka
        with kafka() as broker:
            print(broker.address, flush=True)
            input()
    """
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    runs = [popen("-c", run, **pipes) for _ in "12"]
    with runs[0], runs[1]:
        first, second = [each.stdout.readline() for each in runs]
        for each in runs:
            each.communicate("\n", timeout=20)
    assert first.startswith(HOST)
    assert second.startswith(HOST)
    assert first != second


# An address


def test_an_address_where_nobody_listens_is_named_at_once():
    (port,) = free_ports(1)
    start = time.monotonic()
    with pytest.raises(BrokerError, match=f"No Kafka answers at {HOST}:{port}: start"):
        reach("kafka", f"{HOST}:{port}")
    with pytest.raises(BrokerError, match=f"No RabbitMQ answers at amqp://{HOST}"):
        reach("rabbitmq", f"amqp://guest:guest@{HOST}:{port}/")
    assert time.monotonic() - start < 3


def test_an_address_that_never_answers_is_named_within_ten_seconds():
    def complaint(broker, address):
        with pytest.raises(BrokerError) as error:
            reach(broker, address)
        return str(error.value)

    start = time.monotonic()
    with socket.create_server((HOST, 0)) as silent, ThreadPoolExecutor() as pool:
        where = f"{HOST}:{silent.getsockname()[1]}"
        kafka = pool.submit(complaint, "kafka", where)
        rabbitmq = pool.submit(complaint, "rabbitmq", f"amqp://{where}/")
        assert f"No Kafka answers at {where}" in kafka.result()
        assert f"No RabbitMQ answers at amqp://{where}/" in rabbitmq.result()
    assert time.monotonic() - start < 10


def test_a_name_server_that_never_answers_is_not_waited_for(monkeypatch):
    over = Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(60) and [])
    monkeypatch.setattr("brokers.reach.PATIENCE", 0)
    try:
        with pytest.raises(BrokerError, match=r"No Kafka answers at slow\.example"):
            reach("kafka", "slow.example:9092")
    finally:
        over.set()


@pytest.mark.parametrize(
    ("broker", "address"),
    [
        ("kafka", "localhost"),
        ("kafka", "localhost:http"),
        ("rabbitmq", "localhost:5672"),
    ],
)
def test_an_address_that_is_none_is_named_with_one_that_is(broker, address):
    with pytest.raises(
        BrokerError, match=f"answers at {address}: .* like .*localhost:"
    ):
        reach(broker, address)


def test_a_wrong_password_is_named_and_not_shown(rabbitmq):
    wrong = f"amqp://guest:secret@{rabbitmq.rpartition('@')[2]}"
    with pytest.raises(BrokerError, match="refused the user or the password") as error:
        reach("rabbitmq", wrong)
    assert "secret" not in str(error.value)


# Programs


def test_the_closest_name_is_suggested():
    with pytest.raises(BrokerError, match="'fundamentals/send_and_receive_kafka'"):
        programs.find("fundamentals/send_and_recieve_kafka")


def test_without_the_environment_the_programs_say_how_to_get_it():
    run = python("-S", "examples", "fundamentals/send_and_receive_kafka")
    assert run.returncode == 1
    assert run.stderr.startswith("This Python has no ")
    assert "python -m nox -s brokers" in run.stderr


def test_a_program_that_stops_its_broker_does_not_run_against_yours():
    run = python(
        "examples",
        "fundamentals/survive_restart_kafka",
        KAFKA_BOOTSTRAP_SERVERS=f"{HOST}:1",
    )
    assert run.returncode == 1
    assert "does not run against yours: unset KAFKA_BOOTSTRAP_SERVERS" in run.stderr


def test_your_broker_is_used_and_what_stops_it_is_left_out(kafka, monkeypatch, capsys):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka)
    names = [
        "fundamentals/survive_restart_kafka",
        "fundamentals/send_and_receive_kafka",
    ]
    assert programs.run_all(programs.find(*names))
    printed = capsys.readouterr().out
    assert "1 of 2 examples ran on your Kafka." in printed
    assert "left out, since it is yours: fundamentals/survive_restart_kafka." in printed


def test_a_program_that_takes_too_long_is_stopped(kafka, monkeypatch, capsys):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka)
    monkeypatch.setattr(programs, "DEADLINE", 0.2)
    assert not programs.run_all(programs.find("fundamentals/send_and_receive_kafka"))
    said = capsys.readouterr()
    assert "It did not end within 0.2 seconds and was stopped." in said.err
    assert "These failed: fundamentals/send_and_receive_kafka." in said.out


def test_yours_are_not_started_again(kafka, rabbitmq, monkeypatch, capsys):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka)
    monkeypatch.setenv("AMQP_URL", rabbitmq)
    serve.serve()
    assert capsys.readouterr().out == (
        "Kafka is yours, at the address in KAFKA_BOOTSTRAP_SERVERS.\n"
        "RabbitMQ is yours, at the address in AMQP_URL.\n"
    )


@pytest.mark.parametrize("taken", ["kafka", "rabbitmq"])
def test_a_port_in_use_is_named_before_anything_starts(taken, monkeypatch, capsys):
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "AMQP_URL"):
        monkeypatch.delenv(name, raising=False)
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        ports = dict(zip(["kafka", "rabbitmq"], ports_to_serve_on(), strict=True))
        monkeypatch.setattr(serve, "PORT", ports | {taken: port})
        with pytest.raises(BrokerError, match=f"Port {port} is in use"):
            serve.serve()
    assert capsys.readouterr().err == ""


# The end of a run, at any moment

SERVE = """if True:
    import runpy, sys
    from brokers import serve
    serve.PORT = {"rabbitmq": int(sys.argv.pop()), "kafka": int(sys.argv.pop())}
    runpy.run_path("examples", run_name="__main__")
"""


def ports_to_serve_on():
    """Return a port for Kafka and one for RabbitMQ, which needs more above it."""
    return free_ports(1)[0], rabbitmq_node.free_port(1)


@pytest.fixture
def run(tmp_path):
    """Start Python with a mark by which all that it starts is found."""
    mark, temporary, output = uuid.uuid4().hex, tmp_path / "tmp", tmp_path / "output"
    temporary.mkdir()

    def processes(name=""):
        found = []
        for each in psutil.process_iter():
            with suppress(psutil.Error):
                if each.environ().get("MARK") == mark and name in each.name():
                    found.append(each)
        return found

    with output.open("w") as file:

        def start(*arguments, **changes):
            yours = dict.fromkeys(["KAFKA_BOOTSTRAP_SERVERS", "AMQP_URL"])
            changes = yours | changes | {"MARK": mark, "TMPDIR": str(temporary)}
            return popen(
                *arguments,
                environment=changes,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

        start.processes = processes
        start.output = output.read_text
        start.folders = lambda: list(temporary.iterdir())
        yield start
    for each in processes():
        with suppress(psutil.Error):
            each.kill()


def end(run, number):
    """Send a signal; as with Ctrl-C in a terminal, SIGINT goes to the whole group."""
    if number == signal.SIGINT:
        os.killpg(run.pid, number)
    else:
        run.send_signal(number)
    run.wait(timeout=12)  # The slowest program needs 16 seconds to its own end.
    assert run.returncode == (-9 if number == signal.SIGKILL else 128 + number)


EVERYTHING = ["--all", "fundamentals/ack_before_work"]
MOMENTS = [
    # What is run; when it says this and has started that, it gets this signal.
    (EVERYTHING, "Kafka: starting", "java", signal.SIGTERM),
    (EVERYTHING, "RabbitMQ: starting", "beam.smp", signal.SIGINT),
    (EVERYTHING, "[1/2]", "beam.smp", signal.SIGTERM),
    (["--serve"], "RabbitMQ: starting", "epmd", signal.SIGINT),
    (["--serve"], "Ctrl-C stops", "beam.smp", signal.SIGKILL),
]


@pytest.mark.parametrize(("arguments", "said", "name", "number"), MOMENTS)
def test_a_run_that_is_ended_leaves_nothing(run, arguments, said, name, number):
    ports = map(str, ports_to_serve_on())
    with run("-c", SERVE, *arguments, *ports) as started:
        assert until(lambda: said in run.output()), run.output()
        assert until(lambda: run.processes(name)), run.output()
        end(started, number)
    if number == signal.SIGKILL:
        assert until(lambda: not run.processes())
        return
    assert not run.processes()
    assert not run.folders()
    assert "Traceback" not in run.output()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_program_with_a_broker_of_its_own_is_ended_with_the_run(run, number):
    with run("examples", "--all", "fundamentals/survive_restart_kafka") as started:
        assert until(lambda: len(run.processes("java")) == 2), run.output()
        end(started, number)
    if number == signal.SIGKILL:
        assert until(lambda: not run.processes())
    assert not run.processes()
    assert number == signal.SIGKILL or not run.folders()


def test_a_run_that_is_ended_while_it_prepares_leaves_nothing(run, jars):
    with run("examples", "--all", "fundamentals/publish_subscribe_kafka") as started:
        assert until(lambda: "preparing fast starts" in run.output()), run.output()
        assert until(lambda: run.folders()), run.output()
        assert until(lambda: run.processes("java")), run.output()
        end(started, signal.SIGTERM)
    assert not run.processes()
    assert not run.folders()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_ended_at_once_leaves_nothing(run, number):
    with run("examples", *EVERYTHING) as started:
        started.send_signal(number)
    assert not run.processes()
    assert not run.folders()


def test_a_broker_that_dies_later_is_named_with_its_last_lines(run, rabbitmq):
    ports = map(str, ports_to_serve_on())
    with run("-c", SERVE, "--serve", *ports, AMQP_URL=rabbitmq) as started:
        assert until(lambda: "Ctrl-C stops" in run.output()), run.output()
        (java,) = run.processes("java")
        java.kill()
    assert started.returncode == 1
    assert "kafka-1 ended by itself. Its last log lines:" in run.output()
    assert not run.processes()
    assert not run.folders()


# A machine that is not fit


def test_a_python_that_is_too_old_is_named():
    old = """if True:
        import runpy, sys, types
        sys.modules["nox"] = sys.modules["nox.command"] = types.ModuleType("nox")
        sys.modules["nox"].CommandFailed = Exception
        sys.version_info = (3, 10, 13, "final", 0)
        runpy.run_path("noxfile.py")
    """
    run = python("-c", old)
    assert run.returncode == 1
    assert run.stderr.startswith(
        "The book needs Python 3.11 or newer, and this is 3.10"
    )
    assert "Traceback" not in run.stderr


def test_a_platform_that_cannot_start_brokers_is_named():
    windows = """if True:
        import os
        from brokers import BrokerError, kafka
        os.name = "nt"
        try:
            with kafka():
                pass
        except BrokerError as error:
            print(error)
    """
    run = python("-c", windows)
    assert "on Windows, use the Windows Subsystem for Linux, or set" in run.stdout

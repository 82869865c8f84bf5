"""One broker process: start it, wait for it, stop, kill, pause and resume it."""

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE, CompletedProcess, TimeoutExpired

from .cache import BrokerError

HOST = "127.0.0.1"
LEASH = Path(__file__).with_name("leash.py")
GRACE = 10  # Seconds that a process has between SIGTERM and SIGKILL.
PORTS = range(14000, 20000)
_next_port = itertools.count(os.getpid() * 16)
_claims: list[socket.socket] = []


def free_ports(count: int) -> list[int]:
    """Return `count` ports of 127.0.0.1 that nobody listens on, claimed for this run.

    They lie below those that the system gives to outgoing connections, so that no
    client takes the port of a node that is stopped and will start again.
    """
    ports = (PORTS[number % len(PORTS)] for number in _next_port)
    free = (port for port in ports if claim(port) and is_free(port))
    return list(itertools.islice(free, count))


def claim(port: int) -> bool:
    """Claim `port` for this run until it ends; tell whether no other run has it.

    The port of a node that is stopped looks free, and another run must not take it, nor
    try whether it is free, which takes it for a moment: claim a port first.
    """
    holder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        holder.bind((HOST, port))  # UDP's port of that number, which no broker uses.
    except OSError:
        holder.close()
        return False
    _claims.append(holder)
    return True


def is_free(port: int) -> bool:
    """Tell whether `port` of 127.0.0.1 can be taken now."""
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return False
    return True


def check_free(port: int, broker: str, instead: str) -> None:
    """Raise BrokerError if `port` is in use; `instead` is how to use what is there."""
    if not is_free(port):
        raise BrokerError(
            f"Port {port} is in use, perhaps by another {broker}: stop that one, or "
            f"set {instead} to use it."
        )


def listening(port: int) -> bool:
    """Tell whether somebody accepts connections on `port` of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def check_platform() -> None:
    """Raise BrokerError on a platform without sessions and process groups."""
    if os.name != "posix":
        raise BrokerError(
            "This needs Linux or macOS: on Windows, use the Windows Subsystem for "
            "Linux, or set KAFKA_BOOTSTRAP_SERVERS and AMQP_URL to brokers that run "
            "already, and run the programs one by one."
        )


class Leash:
    """A command in a process group of its own that ends at the latest with this run.

    `pid` is the command's process id and its group's, or 0 if it was not started.
    """

    def __init__(self) -> None:
        check_platform()
        self._here, self._there = socket.socketpair()
        self.process: subprocess.Popen | None = None
        self.pid = 0

    def start(
        self,
        command: Sequence[str],
        grace: float = GRACE,
        farewell: str = "SIGTERM",
        **options,
    ) -> None:
        """Start `command`. `options` are Popen's.

        It is ended with the signal `farewell` and gets `grace` seconds for that.
        """
        with self._there:
            self.process = subprocess.Popen(
                [sys.executable, "-IS", str(LEASH), str(grace), farewell, *command],
                stdin=self._there,
                start_new_session=True,  # Ctrl-C in the terminal is for the run alone.
                **options,
            )
        with self._here.makefile() as answer:
            self.pid = int(answer.readline() or 0)

    def run(
        self, command: Sequence[str], deadline: float, grace: float = GRACE, **options
    ) -> CompletedProcess:
        """Run `command` and return what it wrote, as text, and its exit code.

        After `deadline` seconds it is ended: its code is 1 then, and the last line of
        its standard error says why.
        """
        pipes = {"stdout": PIPE, "stderr": PIPE, "text": True}
        try:
            self.start(command, grace, **pipes, **options)
            try:
                output, errors = self.process.communicate(timeout=deadline)
                code = self.process.returncode
            except TimeoutExpired:
                self.let_go()
                output, errors = self.process.communicate()
                errors += f"It did not end within {deadline} seconds and was stopped.\n"
                code = 1
            return CompletedProcess(command, code, output, errors)
        finally:
            self.end()

    @property
    def running(self) -> bool:
        """Whether the command is there (a paused one is)."""
        return self.process is not None and self.process.poll() is None

    def signal(self, number: int) -> None:
        """Send a signal to the command and all of its group."""
        if self.pid and self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def let_go(self) -> None:
        """Have the command ended, and return at once; `end` waits until it is."""
        with contextlib.suppress(OSError):  # It has ended by itself.
            self._here.shutdown(socket.SHUT_WR)

    def end(self) -> None:
        """End the command and wait for that; works in any state and more than once."""
        self.let_go()
        self._there.close()
        with self._here as line:
            while line.fileno() != -1 and line.recv(1024):
                pass  # The leash keeps its end open for as long as it lives.
        killed = self.process is not None and self.process.wait() < 0
        if killed and self.pid:  # The leash was, by somebody, and its command was not.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)


def is_frozen(pid: int) -> bool:
    """Tell whether every thread of a process has stopped, where /proc shows it."""
    stats = Path(f"/proc/{pid}/task").glob("*/stat")
    try:
        states = [stat.read_text().rpartition(")")[2].split()[0] for stat in stats]
    except FileNotFoundError:
        return False  # A thread has just ended, so the process runs.
    return all(state == "T" for state in states)


@dataclass
class Node:
    """One broker process and the folder it lives in.

    `ready()` returns true once the broker answers a client; it is called until then,
    and may raise OSError while the broker is not there yet. `deadline` is how many
    seconds a start may take, and `grace` how many a stop may take before the broker is
    killed; `farewell` names the signal that asks it to stop. `metrics` is the URL where
    Prometheus reads its metrics and `management` that of its HTTP API, with the user;
    both answer only if the broker was started with them. The data and the ports stay
    the same through `stop`, `kill` and `start`.
    """

    name: str
    address: str
    folder: Path
    command: Sequence[str]
    env: dict[str, str]
    ready: Callable[[], bool]
    deadline: float = 60
    grace: float = GRACE
    farewell: str = "SIGTERM"
    metrics: str = ""
    management: str = ""
    _leash: Leash | None = field(default=None, repr=False)

    def launch(self) -> None:
        """Start the process and return at once; `wait` waits until it is ready."""
        if self.running:
            raise BrokerError(
                f"{self.name} runs already: stop it before you start it again."
            )
        self.stop()
        self._leash = Leash()
        env = {**os.environ, **self.env}
        with self._log_file.open("ab") as log:
            self._leash.start(
                self.command,
                self.grace,
                self.farewell,
                stdout=log,
                stderr=log,
                env=env,
                cwd=self.folder,
            )

    def wait(self) -> None:
        """Wait until the broker is ready; raise BrokerError if it ends or is late."""
        end = time.monotonic() + self.deadline
        while time.monotonic() < end:
            if not self.running:
                raise BrokerError(
                    f"{self.name} ended while it started. {self.last_words}"
                )
            with contextlib.suppress(OSError):
                if self.ready():
                    return
            time.sleep(0.02)
        self.kill()
        raise BrokerError(
            f"{self.name} was not ready after {self.deadline:g} seconds: the machine "
            f"may be too busy, try again. {self.last_words}"
        )

    def start(self) -> None:
        """Start the broker, again with the same data and port, and wait for it."""
        self.launch()
        self.wait()

    def ask_to_stop(self) -> None:
        """Ask the broker to shut down, and return at once; `stop` waits for it."""
        if self._leash:
            self._leash.let_go()

    def stop(self) -> None:
        """Ask the broker to shut down and wait; when its grace is over, kill it."""
        if self._leash:
            self._leash.end()

    def kill(self) -> None:
        """Kill the broker with SIGKILL: it writes nothing more and tells nobody."""
        if self._leash:
            self._leash.signal(signal.SIGKILL)
            self._leash.end()

    def pause(self) -> None:
        """Freeze the broker with SIGSTOP: its connections stay and nothing answers.

        It returns when every thread has stopped, which the signal alone does not wait
        for.
        """
        self._signal(signal.SIGSTOP)
        end = time.monotonic() + 10
        while not is_frozen(self.pid):
            if time.monotonic() > end:
                raise BrokerError(f"{self.name} did not freeze: start the run again.")
            time.sleep(0.002)

    def resume(self) -> None:
        """Let a paused broker go on."""
        self._signal(signal.SIGCONT)

    @property
    def running(self) -> bool:
        """Whether the process is there (a paused one is)."""
        return self._leash is not None and self._leash.running

    @property
    def pid(self) -> int:
        """The process id of the command, which leads the broker's process group."""
        return self._leash.pid if self._leash else 0

    @property
    def log(self) -> str:
        """The last twenty lines that the broker wrote."""
        lines = []
        if self._log_file.exists():
            lines = self._log_file.read_text(errors="replace").splitlines()
        return "\n".join(lines[-20:]) or "(it wrote none)"

    @property
    def last_words(self) -> str:
        """The last log lines, as the end of a sentence about what went wrong."""
        return f"Its last log lines:\n{self.log}"

    @property
    def _log_file(self) -> Path:
        return self.folder / f"{self.name}.log"

    def _signal(self, number: int) -> None:
        if not self.running:
            raise BrokerError(f"{self.name} is not running: start it first.")
        self._leash.signal(number)


@dataclass
class Broker:
    """One node, or a cluster of them, as a client sees it: an address and a version."""

    address: str
    version: str
    nodes: list[Node]

    def start(self) -> None:
        """Start every node with its data and ports, and wait until all are ready."""
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            node.wait()

    def stop(self) -> None:
        """Shut every node down in good order; the data stays."""
        for node in self.nodes:
            node.ask_to_stop()
        for node in self.nodes:
            node.stop()

    def kill(self) -> None:
        """Kill every node with SIGKILL."""
        for node in self.nodes:
            node.kill()

    def pause(self) -> None:
        """Freeze every node with SIGSTOP."""
        for node in self.nodes:
            node.pause()

    def resume(self) -> None:
        """Let every paused node go on."""
        for node in self.nodes:
            node.resume()

    @property
    def log(self) -> str:
        """The last log lines of every node."""
        return "\n".join(f"--- {node.name}\n{node.log}" for node in self.nodes)

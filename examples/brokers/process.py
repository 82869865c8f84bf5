"""One broker process: start it, wait until it is ready, stop, kill, pause and resume it."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .cache import BrokerError

HOST = "127.0.0.1"
LEASH = Path(__file__).with_name("leash.py")


def free_ports(count: int) -> list[int]:
    """Return `count` ports of 127.0.0.1 that nobody listens on now."""
    sockets = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def listening(port: int) -> bool:
    """Tell whether somebody accepts connections on `port` of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


@dataclass
class Node:
    """One broker process and the folder it lives in.

    `ready()` returns true once the broker answers a client; it is called until then, and may raise
    OSError while the broker is not there yet. `deadline` is how many seconds a start may take.
    `stop` and `start` keep the data and the port.
    """

    name: str
    address: str
    folder: Path
    command: Sequence[str]
    env: dict[str, str]
    ready: Callable[[], bool]
    deadline: float = 60
    _leash: subprocess.Popen | None = field(default=None, repr=False)
    _pid: int = field(default=0, repr=False)

    def launch(self) -> None:
        """Start the process and return at once; `wait` waits until it is ready."""
        with self._log_file.open("ab") as log:
            self._leash = subprocess.Popen(
                [sys.executable, "-IS", str(LEASH), *self.command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **self.env},
                cwd=self.folder,
                start_new_session=True,
            )
        self._pid = int(self._leash.stdout.readline() or 0)

    def wait(self) -> None:
        """Wait until the broker is ready; raise BrokerError if it ends or the time is up."""
        end = time.monotonic() + self.deadline
        while time.monotonic() < end:
            if not self.running:
                self._reap()
                raise BrokerError(
                    f"{self.name} ended while it started. Its last log lines:\n{self.log}"
                )
            with contextlib.suppress(OSError):
                if self.ready():
                    return
            time.sleep(0.02)
        self.kill()
        raise BrokerError(
            f"{self.name} was not ready after {self.deadline:g} seconds: the machine may be too "
            f"busy, try again. Its last log lines:\n{self.log}"
        )

    def start(self) -> None:
        """Start the broker, or start it again with the same data and port, and wait for it."""
        self.launch()
        self.wait()

    def ask_to_stop(self) -> None:
        """Ask the broker to shut down and return at once; `stop` waits until it has."""
        if self._leash is not None:
            self._leash.stdin.close()

    def stop(self) -> None:
        """Ask the broker to shut down and wait until it has; it is killed after ten seconds."""
        self._reap()

    def kill(self) -> None:
        """Kill the broker with SIGKILL: it writes nothing more and says goodbye to nobody."""
        self._signal(signal.SIGKILL)
        self._reap()

    def pause(self) -> None:
        """Freeze the broker with SIGSTOP: its connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused broker go on."""
        self._signal(signal.SIGCONT)

    @property
    def running(self) -> bool:
        """Whether the process is there (a paused one is)."""
        return self._leash is not None and self._leash.poll() is None

    @property
    def pid(self) -> int:
        """The process id of the started command, which leads the broker's process group."""
        return self._pid

    @property
    def log(self) -> str:
        """The last twenty lines that the broker wrote."""
        if not self._log_file.exists():
            return "(it wrote none)"
        lines = self._log_file.read_text(errors="replace").splitlines()
        return "\n".join(lines[-20:]) or "(it wrote none)"

    @property
    def _log_file(self) -> Path:
        return self.folder / f"{self.name}.log"

    def _signal(self, number: int) -> None:
        if not self.running:
            raise BrokerError(f"{self.name} is not running: start it before you signal it.")
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid, number)

    def _reap(self) -> None:
        if self._leash is None:
            return
        with self._leash:  # Closes the pipes, which tells the leash, and waits for its end.
            pass
        self._leash = None


@dataclass
class Broker:
    """One node, or a cluster of them, as a client sees it: an address and a version."""

    address: str
    version: str
    nodes: list[Node]

    def start(self) -> None:
        """Start every node, with the same data and ports, and wait until all are ready."""
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
            if node.running:
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

"""Hold a process on a leash: when the run that started it is gone, so is the process.

Started as `python leash.py GRACE FAREWELL COMMAND…`, with a socket to the run as
standard input. COMMAND leads a process group of its own, and the run is told its
process id. When the run closes the socket, or dies in whatever way, the group gets the
signal FAREWELL, and after GRACE seconds SIGKILL. The leash ends with COMMAND and has
its exit code. It needs only the standard library and starts fast.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time


def signal_group(group: int, number: int) -> None:
    """Send a signal to whoever is left of the group; macOS forbids one to a zombie."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def end_with(run: socket.socket, group: int, grace: float, farewell: str) -> None:
    """Wait until the run closes the socket, then end the group, a paused one too."""
    with contextlib.suppress(ConnectionError):
        run.recv(1)
    signal_group(group, signal.Signals[farewell])
    signal_group(group, signal.SIGCONT)
    time.sleep(grace)
    signal_group(group, signal.SIGKILL)


def main() -> int:
    grace, farewell, *command = sys.argv[1:]
    run = socket.socket(fileno=os.dup(0))
    apart = {"stdin": subprocess.DEVNULL, "start_new_session": True}
    try:
        child = subprocess.Popen(command, **apart)
    except OSError as error:
        sys.exit(f"{command[0]} could not be started: {error.strerror}.")
    try:
        run.sendall(b"%d\n" % child.pid)
        what = (run, child.pid, float(grace), farewell)
        threading.Thread(target=end_with, args=what, daemon=True).start()
        return child.wait()
    finally:
        signal_group(child.pid, signal.SIGKILL)  # A grandchild may be left.


if __name__ == "__main__":
    sys.exit(main())

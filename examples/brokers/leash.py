"""Hold a broker's process on a leash: when the run that started it is gone, so is the broker.

Started as `python leash.py COMMAND…`. Prints the process id of COMMAND, which leads a process
group of its own, then waits for one of two things. If COMMAND ends, the leash ends with its exit
code. If standard input closes, because the run said so or because it died in whatever way, the
group gets SIGTERM, and SIGKILL after ten seconds. Only the standard library, for a fast start.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time

GRACE = 10  # Seconds between SIGTERM and SIGKILL.


def signal_group(child: subprocess.Popen, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, number)


def main() -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # The run decides, and closes the pipe.
    child = subprocess.Popen(
        sys.argv[1:],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        start_new_session=True,
        preexec_fn=lambda: [signal.signal(n, signal.SIG_DFL) for n in (2, 15, 1)],
    )
    print(child.pid, flush=True)
    while child.poll() is None:
        closed, _, _ = select.select([sys.stdin], [], [], 0.05)
        if closed and not sys.stdin.buffer.read1(1):
            signal_group(child, signal.SIGCONT)
            signal_group(child, signal.SIGTERM)
            deadline = time.monotonic() + GRACE
            while child.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
            break
    signal_group(child, signal.SIGKILL)  # Whatever of the group is left, a grandchild too.
    return child.wait()


if __name__ == "__main__":
    sys.exit(main())

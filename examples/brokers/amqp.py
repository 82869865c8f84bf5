"""Programs of RabbitMQ's AMQP 1.0 client for Java: compile one, run it to its end."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from .cache import BrokerError
from .java import command
from .maven import install
from .process import Leash, check_platform

# What `amqp` yields: `run(source, *arguments)`, see `run`.
Run = Callable[..., str]
DEADLINE = 60  # Seconds that one program may take.


def run(home: Path, source: Path, *arguments: str, deadline: float = DEADLINE) -> str:
    """Run the Java program `source` with `arguments` and return what it printed.

    It is compiled below `home`. Raises BrokerError if it does not compile, fails, or
    has not ended after `deadline` seconds.
    """
    words = [*command(source, home, install("amqp")), *arguments]
    ended = Leash().run(words, deadline)
    if ended.returncode:
        lines = f"{ended.stdout}{ended.stderr}".splitlines()
        told = [each for each in lines if not each.startswith("\tat ")][-20:]
        raise BrokerError("\n".join([f"{source.name} failed. It wrote:", *told]))
    return ended.stdout


@contextmanager
def amqp(url: str) -> Iterator[Run]:
    """Yield what runs Java programs with the AMQP 1.0 client, see `run`.

    It does not use the RabbitMQ at `url`: a program is told the address like its other
    arguments. What was compiled goes with the run.
    """
    check_platform()
    with tempfile.TemporaryDirectory(
        prefix="amqp-", ignore_cleanup_errors=True
    ) as home:
        yield partial(run, Path(home))

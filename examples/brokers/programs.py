"""Find the book's programs, run them, and compare what they print with what was recorded."""

import ast
import contextlib
import difflib
import importlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from . import kafka, rabbitmq
from .cache import BrokerError, say
from .reach import USUAL, VARIABLE, reach, yours

EXAMPLES = Path(__file__).parents[1]
START = {"kafka": kafka, "rabbitmq": rabbitmq}
DEADLINE = 120  # Seconds that one program may take.
AT_ONCE = 3  # Programs that run at the same time: most of their time is waiting.


@dataclass(frozen=True)
class Program:
    """One program of the book, named like `fundamentals/send_and_receive_kafka`."""

    name: str

    @property
    def broker(self) -> str:
        """Either "kafka" or "rabbitmq"."""
        return self.name.rpartition("_")[2]

    @property
    def path(self) -> Path:
        """The program's file."""
        return EXAMPLES / f"{self.name}.py"

    @property
    def output(self) -> Path:
        """The file with what it printed when it was recorded."""
        return EXAMPLES / f"{self.name}.out"

    @property
    def nodes(self) -> int:
        """How many nodes of its own it needs: 0 if it takes the address of a broker that runs."""
        tree = ast.parse(self.path.read_text())
        main = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "main")
        return {"broker": 1, "cluster": 3}.get(main.args.args[0].arg, 0)


def find(*names: str) -> list[Program]:
    """Return the programs whose name begins with one of `names`, or all; in order of names."""
    everything = sorted(
        str(path.relative_to(EXAMPLES).with_suffix(""))
        for broker in START
        for path in EXAMPLES.glob(f"[!_]*/*_{broker}.py")
    )
    wanted = [name.removeprefix("examples/").removesuffix(".py") for name in names]
    for name in wanted:
        if not any(each.startswith(name) for each in everything):
            close = difflib.get_close_matches(name, everything, 1, 0)
            raise BrokerError(
                f"There is no example '{name}': `python examples` lists them all"
                + (f", '{close[0]}' for instance." if close else ".")
            )
    return [
        Program(each)
        for each in everything
        if not wanted or any(each.startswith(name) for name in wanted)
    ]


def run(program: Program) -> None:
    """Run `program` here, against the reader's broker or, if it stops one, against its own."""
    main = importlib.import_module(program.name.replace("/", ".")).main
    if not program.nodes:
        address = yours(program.broker) or USUAL[program.broker]
        reach(program.broker, address)
        main(address)
        return
    if yours(program.broker):
        raise BrokerError(
            f"{program.name} stops its broker, so it does not run against yours: unset "
            f"{VARIABLE[program.broker]}, and it starts one of its own."
        )
    with START[program.broker](nodes=program.nodes) as broker:
        main(broker)


def run_all(programs: list[Program], record: bool = False, check: bool = False) -> bool:
    """Run `programs`, each in a process of its own and a few at a time, and report.

    The brokers that they share are started first and stopped last. With `record` what they print
    is written beside them; with `check` it fails if that is not what was recorded. Returns whether
    all is well.
    """
    failed, other, done = [], [], 0
    with contextlib.ExitStack() as stack:
        addresses, versions = {}, {}
        for name in START:
            if any(each.broker == name for each in programs):
                addresses[name], versions[name] = _shared(stack, name)
        left = [each.name for each in programs if each.nodes and yours(each.broker)]
        runnable = [each for each in programs if each.name not in left]
        pool = stack.enter_context(ThreadPoolExecutor(AT_ONCE))
        results = pool.map(lambda each: _run_apart(each, addresses), runnable)
        for number, (each, result) in enumerate(zip(runnable, results, strict=True), 1):
            say(f"[{number}/{len(runnable)}] {each.name}")
            if result.returncode:
                failed.append(each.name)
                say(f"{result.stdout}{result.stderr}")
                continue
            done += 1
            if record:
                each.output.write_text(result.stdout)
            elif difference := _difference(each, result.stdout):
                other.append(each.name)
                say(difference)
    on = " and ".join(versions.values())
    print(f"{done} of {len(programs)} examples ran on {on}.")
    for what, names in (
        ("These failed", failed),
        ("These print something else than the book", other),
        ("These stop their broker and were left out, since the brokers are yours", left),
    ):
        if names:
            print(f"{what}: {', '.join(names)}.")
    return not failed and not (check and other)


def _shared(stack: contextlib.ExitStack, name: str) -> tuple[str, str]:
    """Return the address of the broker that the programs share, and what to call it."""
    title = {"kafka": "Kafka", "rabbitmq": "RabbitMQ"}[name]
    if address := yours(name):
        reach(name, address)
        return address, f"your {title}"
    say(f"{title}: starting …")
    broker = stack.enter_context(START[name]())
    return broker.address, f"{title} {broker.version}"


def _run_apart(program: Program, addresses: dict[str, str]) -> subprocess.CompletedProcess:
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    variable = VARIABLE[program.broker]
    env.pop(variable, None)
    if not program.nodes:
        env[variable] = addresses[program.broker]
    command = [sys.executable, str(EXAMPLES), program.name]
    try:
        return subprocess.run(command, capture_output=True, text=True, env=env, timeout=DEADLINE)
    except subprocess.TimeoutExpired:
        sentence = f"It did not end within {DEADLINE} seconds and was stopped.\n"
        return subprocess.CompletedProcess(command, 1, stdout="", stderr=sentence)


def _difference(program: Program, printed: str) -> str:
    recorded = program.output.read_text() if program.output.exists() else ""
    lines = difflib.unified_diff(
        recorded.splitlines(), printed.splitlines(), "in the book", "now", lineterm=""
    )
    return "\n".join(lines)

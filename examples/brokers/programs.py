"""Find the book's programs, run them, and compare their output with the recorded."""

import ast
import contextlib
import difflib
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess
from typing import NamedTuple

from . import (
    amqp,
    kafka_connect,
    maven,
    postgres,
    recorded,
    schema_registry,
    sites,
    tools,
)
from .cache import BrokerError, say
from .kafka_node import kafka
from .kafka_streams import streams
from .process import Broker, Leash
from .rabbitmq_node import rabbitmq
from .reach import NAME, USUAL, VARIABLE, reach, yours
from .secured import secured

EXAMPLES = Path(__file__).parents[1]
START = {"kafka": kafka, "rabbitmq": rabbitmq}


def nodes(kind: str, count: int, **options: bool) -> AbstractContextManager[Broker]:
    """Start `count` nodes of Kafka or RabbitMQ, with `options` of how they start."""
    return START[kind](nodes=count, **options)


def at_first_node(what: str, broker: Broker) -> AbstractContextManager[str]:
    """Yield the first node's URL of its "metrics" or "management"."""
    return nullcontext(getattr(broker.nodes[0], what))


@contextlib.contextmanager
def beside(kind: str, _: str) -> Iterator[str]:
    """Yield the address of a broker of the other kind: the reader's, or one started."""
    if address := yours(kind):
        reach(kind, address)
        yield address
    else:
        with START[kind]() as broker:
            yield broker.address


# What `main` may name first to have brokers of its own, and what starts them: it is
# called with "kafka" or "rabbitmq", and with the options that services ask for.
OWN: dict[str, Callable[..., AbstractContextManager]] = {
    "broker": partial(nodes, count=1),
    "cluster": partial(nodes, count=3),
    "secured": secured,
    "sites": sites.sites,
}


class Service(NamedTuple):
    """What a program may name in its `main` beside a broker."""

    start: Callable  # It is called with the broker's address, or the one with `option`.
    parts: tuple[str, ...] = ()  # What it needs from Maven Central.
    variable: str = ""  # Where the address of the reader's own stands.
    option: bool = False  # Whether the brokers are started with an option of its name.


SERVICES = {
    "amqp": Service(amqp.amqp, ("amqp",)),
    "connect": Service(
        kafka_connect.connect, ("kafka_connect",), kafka_connect.VARIABLE
    ),
    # It is stopped last, after what follows its changes.
    "postgres": Service(postgres.postgres, (), postgres.VARIABLE),
    "debezium": Service(
        kafka_connect.debezium, ("kafka_connect", "debezium"), kafka_connect.VARIABLE
    ),
    "registry": Service(
        schema_registry.registry, ("schema_registry",), schema_registry.VARIABLE
    ),
    "streams": Service(streams, ("kafka_streams",)),
    "management": Service(partial(at_first_node, "management"), option=True),
    "metrics": Service(partial(at_first_node, "metrics"), option=True),
    "tool": Service(lambda _: nullcontext(tools.run)),
    "kafka": Service(partial(beside, "kafka"), ("kafka",), VARIABLE["kafka"]),
    "rabbitmq": Service(partial(beside, "rabbitmq"), (), VARIABLE["rabbitmq"]),
    "mirror": Service(sites.mirror, ("kafka_connect", "kafka_mirror")),
}
DEADLINE = 120  # Seconds that one program may take.
PATIENCE = 5  # Seconds that it has to end after Ctrl-C.
AT_ONCE = 5  # Programs that run at the same time: most of their time is waiting.


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
    def parameters(self) -> list[str]:
        """The names of what its `main` is handed."""
        tree = ast.parse(self.path.read_text())
        functions = [each for each in tree.body if isinstance(each, ast.FunctionDef)]
        main = next(each for each in functions if each.name == "main")
        return [each.arg for each in main.args.args]

    @property
    def own(self) -> Callable[..., AbstractContextManager] | None:
        """What starts brokers of its own, if it does not take a broker's address."""
        return OWN.get(self.parameters[0])

    @property
    def services(self) -> dict[str, Service]:
        """What its `main` names beside a broker."""
        return {
            name: service
            for name, service in SERVICES.items()
            if name in self.parameters
        }


def find(*names: str) -> list[Program]:
    """Return the programs whose name begins with one of `names`, or all, in order."""
    everything = sorted(
        str(path.relative_to(EXAMPLES).with_suffix(""))
        for broker in START
        for path in EXAMPLES.glob(f"[!_]*/*_{broker}.py")
    )
    wanted = [name.removeprefix("examples/").removesuffix(".py") for name in names]
    for name in wanted:
        if not any(each.startswith(name) for each in everything):
            (closest,) = difflib.get_close_matches(name, everything, 1, 0)
            raise BrokerError(
                f"There is no example '{name}': the closest is '{closest}', and "
                "`python examples` lists them all."
            )
    return [
        Program(each)
        for each in everything
        if not wanted or any(each.startswith(name) for name in wanted)
    ]


def fetch(services: set[str]) -> None:
    """Download what those of the `services` need that are not the reader's own."""
    for name in services & SERVICES.keys():
        if not os.environ.get(SERVICES[name].variable):
            for part in SERVICES[name].parts:
                maven.fetch(part)


def run(program: Program) -> None:
    """Run `program` here, against the reader's broker or, if it stops one, its own.

    The services that its `main` names are started for it.
    """
    main = importlib.import_module(program.name.replace("/", ".")).main
    if program.own and yours(program.broker):
        raise BrokerError(
            f"{program.name} needs a broker of its own, so it does not run against "
            f"yours: unset {VARIABLE[program.broker]}, and it starts one."
        )
    with contextlib.ExitStack() as stack:
        if program.own:
            options = {
                name: True for name, each in program.services.items() if each.option
            }
            broker = stack.enter_context(program.own(program.broker, **options))
        else:
            broker = yours(program.broker) or USUAL[program.broker]
            reach(program.broker, broker)
        address = getattr(broker, "address", broker)
        services = {
            name: stack.enter_context(each.start(broker if each.option else address))
            for name, each in program.services.items()
        }
        main(broker, **services)


def run_all(programs: list[Program], record: bool = False, check: bool = False) -> bool:
    """Run `programs`, each in a process of its own and a few at a time, and report.

    The brokers that they share are started first and stopped last. With `record` what
    they print is written beside them; with `check` it fails if that is not what was
    recorded. Returns whether all is well.
    """
    failed, other, done = [], [], 0
    with contextlib.ExitStack() as stack:
        addresses, versions = {}, {}
        for name in START:
            if any(name in (each.broker, *each.parameters) for each in programs):
                addresses[name], versions[name] = _shared(stack, name)
        # Before the programs, since each of them has a time limit.
        fetch({name for each in programs for name in each.parameters})
        left = [each.name for each in programs if each.own and yours(each.broker)]
        runnable = [each for each in programs if each.name not in left]
        results = contextlib.closing(_run_apart(runnable, addresses))
        for number, (each, result) in enumerate(stack.enter_context(results), 1):
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
    if record and done == len(find()) and not any(map(yours, START)):
        recorded.write()
    on = " and ".join(versions.values())
    print(f"{done} of {len(programs)} examples ran on {on}.")
    for what, names in (
        ("These failed", failed),
        ("These print something else than the book", other),
        ("These need a broker of their own and were left out, since it is yours", left),
    ):
        if names:
            print(f"{what}: {', '.join(names)}.")
    return not failed and not (check and other)


def _shared(stack: contextlib.ExitStack, name: str) -> tuple[str, str]:
    """Return the address of the broker that the programs share, and what to call it."""
    title = NAME[name]
    if address := yours(name):
        reach(name, address)
        return address, f"your {title}"
    say(f"{title}: starting …")
    broker = stack.enter_context(START[name]())
    return broker.address, f"{title} {broker.version}"


def _run_apart(
    programs: list[Program], addresses: dict[str, str]
) -> Iterator[tuple[Program, CompletedProcess]]:
    """Run `programs` in processes of their own; yield each when it has ended.

    AT_ONCE of them run at a time, and those are ended when the iterator is closed.
    """
    waiting, running, leashes = list(programs), {}, {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            while waiting or running:
                while waiting and len(running) < AT_ONCE:
                    each = waiting.pop(0)
                    leashes[each] = Leash()
                    result = pool.submit(_run_on, leashes[each], each, addresses)
                    running[result] = each
                for result in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(result), result.result()
        finally:
            for leash in leashes.values():
                leash.let_go()


def _run_on(leash: Leash, program: Program, addresses: dict) -> CompletedProcess:
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    env.pop(VARIABLE[program.broker], None)
    shared = [*program.parameters, *([] if program.own else [program.broker])]
    for name in addresses.keys() & shared:
        env[VARIABLE[name]] = addresses[name]
    command = [sys.executable, str(EXAMPLES), program.name]
    return leash.run(command, DEADLINE, PATIENCE, env=env)


def _difference(program: Program, printed: str) -> str:
    recorded = program.output.read_text() if program.output.exists() else ""
    lines = difflib.unified_diff(
        recorded.splitlines(), printed.splitlines(), "in the book", "now", lineterm=""
    )
    return "\n".join(lines)

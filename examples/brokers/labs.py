"""Run the book's labs: failures made on purpose, repeated, counted and written down."""

import importlib
import json
import time
from contextlib import ExitStack
from dataclasses import asdict
from datetime import date
from importlib.metadata import version
from pathlib import Path

from labs.summary import report

from .cache import BrokerError, say
from .kafka_node import kafka
from .process import Broker
from .rabbitmq_node import rabbitmq
from .recorded import machine

LABS = Path(__file__).parents[1] / "labs"
START = {"kafka": kafka, "rabbitmq": rabbitmq}


def names() -> list[str]:
    """Return the names of the labs: the modules that have variants."""
    found = sorted(LABS.glob("*.py"))
    return [each.stem for each in found if "\nVARIANTS = " in each.read_text()]


def load(name: str):
    """Return the module of a lab; raise BrokerError if there is none of that name."""
    if name not in names():
        raise BrokerError(
            f"There is no lab '{name}': the labs are {', '.join(names())}."
        )
    return importlib.import_module(f"labs.{name}")


def start(stack: ExitStack, lab) -> dict[str, Broker]:
    """Start the brokers that `lab` names in its BROKERS, with so many nodes of each."""
    brokers = {}
    for broker, nodes in lab.BROKERS.items():
        say(f"{broker}: starting {nodes} …")
        brokers[broker] = stack.enter_context(START[broker](nodes=nodes))
    return brokers


def once(lab, brokers: dict[str, Broker], variant: str) -> dict:
    """Run one variant once; return its account, durations and timeline.

    Times are in seconds, and the timeline's count from the start of the run.
    """
    begin, timeline = time.monotonic(), []

    def note(event: str) -> None:
        timeline.append([round(time.monotonic() - begin, 2), event])

    outcome = lab.run(brokers, variant, note)
    seconds = {what: round(value, 3) for what, value in outcome.seconds.items()}
    messages = asdict(outcome.account) if outcome.account else {}
    counts = {**messages, **outcome.counts}
    return {
        "variant": variant,
        "counts": counts,
        "seconds": seconds,
        "timeline": timeline,
    }


def run(name: str, times: int, record: bool) -> None:
    """Run each variant of a lab `times` times, by turns, and print what came of it.

    With `record` it is written beside the lab, from where the book takes it.
    """
    lab = load(name)
    runs = []
    with ExitStack() as stack:
        brokers = start(stack, lab)
        for number in range(1, times + 1):
            for variant in lab.VARIANTS:
                say(f"[{number}/{times}] {variant}")
                runs.append(once(lab, brokers, variant))
        versions = {broker: each.version for broker, each in brokers.items()}
    print(report(runs))
    if record:
        clients = {each: version(each) for each in lab.CLIENTS}
        conditions = {
            "date": date.today().isoformat(),
            "machine": machine(),
            "brokers": versions,
            "clients": clients,
        }
        result = {**conditions, "times": times, "runs": runs}
        path = LABS / f"{name}.json"
        path.write_text(json.dumps(result, indent=1) + "\n")

"""Run the book's labs: failures made on purpose, repeated, counted and written down."""

import importlib
import json
import time
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict
from datetime import date
from importlib.metadata import version
from pathlib import Path

from labs import report, summary

from .cache import BrokerError, say
from .java import tool
from .kafka_node import kafka
from .process import Broker
from .rabbitmq_node import rabbitmq
from .recorded import machine
from .sites import Sites, sites

LABS = Path(__file__).parents[1] / "labs"
REPORTS = Path(__file__).parents[2] / "_build" / "labs"
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


def launch(broker: str, nodes: int | str) -> AbstractContextManager[Broker | Sites]:
    """Start so many nodes of a broker, or its two "sites", Kafka's with MirrorMaker."""
    if nodes == "sites":
        return sites(broker, mirrored=broker == "kafka")
    return START[broker](nodes=nodes)


def start(stack: ExitStack, lab) -> dict[str, Broker | Sites]:
    """Start the brokers that `lab` names in its BROKERS, with so many nodes of each.

    The tools that it names in TOOLS are downloaded before, if they are not here.
    """
    brokers = {}
    for each in getattr(lab, "TOOLS", ()):
        tool(each)
    for broker, nodes in lab.BROKERS.items():
        say(f"{broker}: starting {nodes} …")
        brokers[broker] = stack.enter_context(launch(broker, nodes))
    return brokers


def once(lab, brokers: dict[str, Broker], variant: str) -> dict:
    """Run one variant once; return its account, durations and timeline.

    Times are in seconds, and the timeline's count from the start of the run.
    """
    begin, timeline = time.monotonic(), []

    def note(event: str) -> None:
        timeline.append([round(time.monotonic() - begin, 2), event])

    tools = [tool] if hasattr(lab, "TOOLS") else []
    outcome = lab.run(brokers, variant, note, *tools)
    seconds = {what: round(value, 3) for what, value in outcome.seconds.items()}
    messages = asdict(outcome.account) if outcome.account else {}
    counts = {**messages, **outcome.counts}
    return {
        "variant": variant,
        "counts": counts,
        "seconds": seconds,
        "timeline": timeline,
    }


def conditions(lab, brokers: dict[str, Broker]) -> dict:
    """Return when, on what machine and with which versions a lab is run."""
    return {
        "date": date.today().isoformat(),
        "machine": machine(),
        "brokers": {broker: each.version for broker, each in brokers.items()},
        "clients": {each: version(each) for each in lab.CLIENTS},
    }


def recorded(name: str) -> dict:
    """Return what the book has recorded of a lab, with no runs if it has nothing."""
    path = LABS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else {"runs": []}


def remaining(begin: float, done: int, planned: int) -> str:
    """Say how long the runs that are left will take, as those that are done did."""
    if not done:
        return ""
    left = (time.monotonic() - begin) / done * (planned - done)
    return f", {left / 60:.0f} min left" if left > 90 else f", {left:.0f} s left"


def run(name: str, times: int, record: bool) -> None:
    """Run each variant of a lab `times` times, by turns, and report what came of it.

    The report is printed and written as a web page below REPORTS, also of a run that is
    stopped. With `record` the runs are written beside the lab, from where the book
    takes them, if none is missing.
    """
    lab = load(name)
    plan = [variant for _ in range(times) for variant in lab.VARIANTS]
    result = {"times": times, "runs": []}
    book = recorded(name)
    try:
        with ExitStack() as stack:
            brokers = start(stack, lab)
            result = {**conditions(lab, brokers), **result}
            begin = time.monotonic()
            for done, variant in enumerate(plan):
                left = remaining(begin, done, len(plan))
                say(f"[{done + 1}/{len(plan)}] {variant}{left}")
                result["runs"].append(once(lab, brokers, variant))
    finally:
        if result["runs"]:
            print(summary.report(result["runs"], book["runs"]))
            page = report.write(REPORTS, name, lab.__doc__, result, book)
            print(f"\nThe report as a web page: {page}")
    if record:
        path = LABS / f"{name}.json"
        path.write_text(json.dumps(result, indent=1) + "\n")

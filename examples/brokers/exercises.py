"""Run the book's exercises: name the next open one, check it, and give hints."""

import ast
import hashlib
import importlib
import inspect
import json
import os
import re
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

from . import programs
from .cache import BrokerError, say
from .process import Leash

EXAMPLES = Path(__file__).parents[1]
EXERCISES = EXAMPLES / "exercises"
MINE = EXAMPLES.with_name("my_exercises")
BOOK = EXAMPLES.with_name("book")
ORDER = (
    "acknowledged_producer",
    "confirmed_publisher",
    "one_key_one_order",
    "topic_routing",
    "commit_after_work",
    "acknowledge_after_work",
    "replay_from_a_time",
    "rpc_with_deadline",
    "retry_topics",
    "retry_with_dead_letter_queue",
    "idempotent_consumer",
    "rebalance_safe_consumer",
    "consume_process_produce",
    "outbox_relay",
    "saga",
)
# What a check may name beside the reader's module, and which service that is.
SERVICE = {"bootstrap": "kafka", "url": "rabbitmq", "postgres": "postgres"}
# In a hint: the section's heading, and the chapter's folder.
LINK = re.compile(r"\[([^]]*)\]\(\.\./(\w+)/[^)]*\)")
COMMAND = "python3 -m nox -s exercises"
DEADLINE = 60  # Seconds that a check may take.


def run(names: list[str], hint: bool, show: bool, again: bool) -> int:
    """Do with an exercise, the next open one if none is named, what is asked for.

    Returns the exit code: 0 unless a check failed, which is 1, or a name is wrong, 2.
    """
    chosen = [Path(name).stem for name in names]
    if len(chosen) > 1 or not {*chosen} <= {*ORDER} or (again and not chosen):
        say(f"Name one of the exercises: {', '.join(ORDER)}.")
        return 2
    lay_out()
    left = [name for name in ORDER if not is_done(name)]
    name = next(iter(chosen or left), None)
    if show:
        show_all()
    elif again:
        lay_again(name)
    elif not name:
        show_next()
    elif hint:
        print(next_hint(name))
    elif is_done(name):
        print(f"{name} is done, and {shown(name)} has not changed since.")
        show_next()
    else:
        return try_out(name)
    return 0


def mine(name: str) -> Path:
    """Return the reader's file of an exercise."""
    return MINE / f"{name}.py"


def shown(name: str) -> str:
    """Return how the reader's file is called in what is printed."""
    return f"{MINE.name}/{name}.py"


def lay_out() -> None:
    """Copy the starting points for the reader, unless that was done before."""
    if MINE.exists():
        return
    MINE.mkdir()
    for name in ORDER:
        shutil.copyfile(EXERCISES / name / "start.py", mine(name))
    print(f"The starting points of {len(ORDER)} exercises are in {MINE.name}/ now.\n")


def lay_again(name: str) -> None:
    """Lay the starting point of an exercise anew, and keep the reader's file."""
    start, old = EXERCISES / name / "start.py", mine(name).with_suffix(".py.old")
    kept = ""
    if mine(name).exists() and mine(name).read_bytes() != start.read_bytes():
        mine(name).replace(old)
        kept = f", and what was there is in {MINE.name}/{old.name}"
    shutil.copyfile(start, mine(name))
    remember(".hints.json", name, 0)
    print(f"{shown(name)} is the starting point again{kept}.")


def recall(what: str) -> dict:
    """Return what is remembered in a file of the reader's folder."""
    path = MINE / what
    try:
        return json.loads(path.read_text()) if path.exists() else {}
    except ValueError as error:
        raise BrokerError(
            f"{path} cannot be read: delete it, and the exercises are checked anew."
        ) from error


def remember(what: str, name: str, value: str | int) -> None:
    """Write down a value for an exercise in a file of the reader's folder."""
    values = recall(what) | {name: value}
    (MINE / what).write_text(json.dumps(values, indent=1) + "\n")


def fingerprint(name: str) -> str | None:
    """Return the hash of the reader's file, or None if it is gone."""
    path = mine(name)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def is_done(name: str) -> bool:
    """Tell whether the reader's file passed its check as it is now."""
    own = fingerprint(name)
    return own is not None and recall(".done.json").get(name) == own


def task(name: str) -> str:
    """Return the docstring of the starting point, whose first line is the title."""
    tree = ast.parse((EXERCISES / name / "start.py").read_text())
    return ast.get_docstring(tree)


def hints(name: str) -> list[str]:
    """Return the hints of an exercise, with their links."""
    return (EXERCISES / name / "hints.md").read_text().strip().split("\n\n")


def section(link: re.Match) -> str:
    """Return the heading that a link leads to, and the title of its chapter."""
    with (BOOK / link[2] / "index.md").open() as page:
        return f"{link[1]} (chapter {page.readline().removeprefix('# ').strip()})"


def see(name: str) -> str:
    """Return a line that names the section behind the first link of the hints."""
    return f"See: {section(LINK.search(' '.join(hints(name))))}."


def indented(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())


def show_all() -> None:
    """Print each exercise with its title and whether it is done."""
    for name in ORDER:
        state = "done" if is_done(name) else "open"
        print(f"{state}  {name}: {task(name).splitlines()[0]}")


def how_many() -> str:
    """Return how many exercises are done, as the begin of a line."""
    return f"Done: {sum(map(is_done, ORDER))} of {len(ORDER)} exercises"


def show_next() -> None:
    """Print how many exercises are done, and the task of the first that is not."""
    name = next((name for name in ORDER if not is_done(name)), None)
    if not name:
        problems = f"{BOOK.name}/practice/design_problems/index.md"
        print(f"{how_many()}. What comes next are design problems: {problems}.")
        return
    print(f"{how_many()}. The next is {name}:\n\n{indented(task(name))}\n")
    print(see(name))
    print(f"Edit {shown(name)} and run `{COMMAND}` again.")


def next_hint(name: str) -> str:
    """Return one more hint than the time before, and after the last the solution."""
    texts, given = hints(name), recall(".hints.json").get(name, 0)
    if given >= len(texts):
        solution = f"{EXERCISES.parent.name}/{EXERCISES.name}/{name}/solution.py"
        return f"There is no further hint for {name}. Its solution is {solution}."
    remember(".hints.json", name, given + 1)
    text = LINK.sub(section, texts[given])
    return f"Hint {given + 1} of {len(texts)} for {name}:\n\n{indented(text)}"


def needs(name: str) -> list[str]:
    """Return the names of what an exercise's check is handed beside the module."""
    check = importlib.import_module(f"exercises.{name}.check").check
    return list(inspect.signature(check).parameters)[1:]


def start(stack: ExitStack, parameters: list[str]) -> dict[str, str]:
    """Start what is needed, or use the reader's; return what to hand in, by name."""
    handed = {}
    for each in parameters:
        if name := SERVICE.get(each):
            service = programs.SERVICES[name]
            programs.fetch({name})
            if not os.environ.get(service.variable):
                say(f"{name}: starting …")
            handed[each] = stack.enter_context(service.start(""))
        else:  # A topic or a queue.
            handed[each] = f"orders-{uuid4().hex[:8]}"
    return handed


def judge(name: str, handed: dict[str, str]) -> str:
    """Run the check of the reader's file in a process of its own.

    What the file prints is printed. Returns the sentence of the fault, or nothing.
    """
    command = [sys.executable, "-m", "exercises", name, str(mine(name)), str(DEADLINE)]
    command += [f"{each}={value}" for each, value in handed.items()]
    # An edit within the same second must not find the compiled file of the last one.
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
    result = Leash().run(command, DEADLINE + 10, cwd=EXAMPLES, env=env)
    if result.stdout:
        print(f"{shown(name)} prints:\n\n{indented(result.stdout)}\n")
    last = (result.stderr.splitlines() or [""])[-1]
    if last == "passed":
        return ""
    if last.startswith("fault: "):
        return last.removeprefix("fault: ")
    return f"The check's process ended before it had a verdict. {last}".rstrip()


def try_out(name: str) -> int:
    """Check the reader's file and report; return 0 if it passes, and 1 if not."""
    own = fingerprint(name)  # The file may be edited while its check runs.
    if own is None:
        again = f"`{COMMAND} -- --again {name}`"
        print(f"{shown(name)} is gone: {again} lays its starting point there.")
        return 1
    with ExitStack() as stack:
        fault = judge(name, start(stack, needs(name)))
    if fault:
        print(f"{how_many()}. This one is open: {name}.")
        print(f"Edit {shown(name)}. Its check says:\n\n{indented(fault)}\n")
        print(f"{see(name)} `{COMMAND} -- --hint {name}` prints a hint.")
        return 1
    remember(".done.json", name, own)
    print(f"{name} passes. Compare it with examples/exercises/{name}/solution.py.")
    show_next()
    return 0

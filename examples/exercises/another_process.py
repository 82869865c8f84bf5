"""Run a function of the reader's file in a process that may die."""

import inspect
import sys
from multiprocessing import get_context
from pathlib import Path

from . import Fault
from .verdict import explain


def run(function, *arguments, deadline=20):
    """Run `function` in a process of its own and return the exit code.

    An error in it becomes a Fault, and so does a run of more than `deadline` seconds.
    """
    spawn = get_context("spawn")
    here, there = spawn.Pipe(duplex=False)
    process = spawn.Process(target=call, args=(there, function, arguments))
    process.start()
    there.close()
    process.join(deadline)
    if process.is_alive():
        process.kill()
        process.join()
        raise Fault(
            f"{function.__name__} did not end within {deadline} seconds: it waits for "
            "something that does not come, or its loop has no end."
        )
    try:
        raise Fault(here.recv())
    except EOFError:  # It had nothing to say.
        return process.exitcode


def call(line, function, arguments):
    """Call `function`; send a sentence along `line` if it raises an error."""
    try:
        function(*arguments)
    except Exception as error:
        line.send(explain(error, readers_file(function, *arguments)))


def readers_file(*arguments):
    """Return the file of the first function that is not the check's own."""
    functions = [each for each in arguments if inspect.isfunction(each)]
    modules = [sys.modules[each.__module__] for each in functions]
    own = [each for each in modules if not each.__name__.endswith(".check")]
    return Path(own[0].__file__)

"""Check an exercise: `python -m exercises NAME FILE SECONDS bootstrap=… topic=…`.

The last line of standard error is the verdict, "passed" or "fault: " and a sentence.
"""

import importlib
import os
import sys
import threading
from pathlib import Path

from exercises.verdict import explain


def main(name, path, seconds, *services):
    file = Path(path)
    sys.path.append(str(file.parents[1]))
    check = importlib.import_module(f"exercises.{name}.check").check
    watch = threading.Timer(float(seconds), lambda: end(still_at_work(file, seconds)))
    watch.daemon = True
    watch.start()
    try:
        work = importlib.import_module(f"{file.parent.name}.{file.stem}")
        check(work, **dict(each.split("=", 1) for each in services))
    except BaseException as error:  # The reader's file may even end the interpreter.
        end(f"fault: {explain(error, file)}")
    end("passed")


def still_at_work(file, seconds):
    """Return the verdict on a check that takes too long: where in `file` it is."""
    for frame in sys._current_frames().values():
        while frame:
            if frame.f_code.co_filename == str(file):
                return (
                    f"fault: Line {frame.f_lineno} of {file.parent.name}/{file.name} "
                    f"was still at work after {seconds} seconds: it waits for "
                    "something that does not come, or its loop has no end."
                )
            frame = frame.f_back
    return (
        f"fault: The check did not end within {seconds} seconds: the machine may be "
        "too busy, try again."
    )


def end(verdict):
    """End this process at once, with what still runs in it."""
    print(" ".join(verdict.split()), file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(verdict != "passed")


if __name__ == "__main__":
    main(*sys.argv[1:])

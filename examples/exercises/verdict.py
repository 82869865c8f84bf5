"""Say in one sentence what went wrong in the reader's file."""

import traceback
from pathlib import Path

from . import Fault


def explain(error: BaseException, file: Path) -> str:
    """Return a sentence about an error that ended the check of `file`."""
    shown = f"{file.parent.name}/{file.name}"
    if isinstance(error, Fault):
        return str(error)
    if isinstance(error, SyntaxError) and error.filename == str(file):
        return f"Line {error.lineno} of {shown} is not Python: {error.msg}."
    name = type(error).__name__
    what = f"{name}: {error}" if str(error) else name
    frames = traceback.extract_tb(error.__traceback__)
    lines = [each.lineno for each in frames if each.filename == str(file)]
    if lines:
        return f"Line {lines[-1]} of {shown} ended with {what}"
    return (
        f"The check could not go on: {what}. Compare the names, arguments and results "
        f"of the functions in {shown} with its task."
    )

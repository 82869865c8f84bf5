"""Say what is here, what is missing, and what each would cost to get."""

import platform


def report() -> None:
    print(platform.python_version())

"""Wait for a fact, with a deadline."""

import time


def until(fact, seconds=60):
    """Wait until `fact()` is true and return whether it became so."""
    end = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True

"""Hear what another process tells."""


def hear(line, patience=60):
    """Yield what another process sends, until it closes its end of `line` or dies.

    Raises TimeoutError when it says nothing for `patience` seconds.
    """
    while line.poll(patience):
        try:
            yield line.recv()
        except EOFError:
            return
    raise TimeoutError(f"The other process said nothing for {patience} seconds.")

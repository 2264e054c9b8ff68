"""Data of commands that write little: at once, and a reader that is gone is the quiet end of the program."""

import sys


class NobodyReads(Exception):  # noqa: N818 - nothing went wrong: whoever read has seen enough
    """The other end of stdout is closed."""


def put(data: bytes) -> None:
    """Write and flush."""
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError as end:
        raise NobodyReads from end

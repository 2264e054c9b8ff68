"""Standard input past Python's buffers, which would take more than the line that was asked for."""

import os

STDIN = 0


def first_line(limit: int, descriptor: int = STDIN) -> str:
    """The first line, at most `limit` bytes of it, and not a byte more: the rest may be data."""
    line = bytearray()
    while len(line) < limit and (byte := os.read(descriptor, 1)) not in {b"", b"\n"}:
        line += byte
    return line.decode(errors="replace")

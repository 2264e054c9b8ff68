"""Lines of standard input, waited for on the loop, so that the connection stays alive and Ctrl-C works."""

import asyncio
import os
from collections.abc import AsyncIterator

from .stdin import STDIN

_CHUNK = 65_536

# No line is longer than what a hub takes; what is longer is cut into pieces.
_LONGEST = 1 << 20


async def stdin_lines(descriptor: int = STDIN) -> AsyncIterator[str]:
    """Every line without its end; empty ones are passed over."""
    rest = b""
    while chunk := await _read(descriptor):
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) >= _LONGEST:
            whole, rest = [*whole, rest], b""
        for line in whole:
            if text := _text(line):
                yield text
    if text := _text(rest):
        yield text


def _text(line: bytes) -> str:
    return line.decode(errors="replace").rstrip("\r")


async def _read(descriptor: int) -> bytes:
    """What is there, as soon as something is; empty at the end."""
    loop = asyncio.get_running_loop()
    is_ready = asyncio.Event()
    try:
        loop.add_reader(descriptor, is_ready.set)
    except PermissionError:
        # epoll takes no files; they never make anybody wait.
        return os.read(descriptor, _CHUNK)
    try:
        await is_ready.wait()
    finally:
        loop.remove_reader(descriptor)
    return os.read(descriptor, _CHUNK)

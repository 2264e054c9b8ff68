"""Lines of stdin, read by a thread so that the connection stays alive while the user types."""

import asyncio
import sys
from collections.abc import AsyncIterator


async def stdin_lines() -> AsyncIterator[str]:
    """Every line without its end; empty ones are passed over."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        if text := line.rstrip("\r\n"):
            yield text

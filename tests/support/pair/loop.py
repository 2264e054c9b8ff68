"""An event loop whose clock stands still until it is moved, run turn by turn: nothing happens between two steps."""

import asyncio
from collections.abc import Awaitable
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

START = 100.0
WALL = 1_767_225_600.0
TURNS = 10
"""Turns of the loop in which a message has had all its consequences; more only do nothing."""


class StillLoop(asyncio.SelectorEventLoop):
    """`time` is what was set. Whoever runs it has work for it, so it never sleeps."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START

    def time(self) -> float:
        """Seconds of the one monotonic clock of the whole test."""
        return self.now

    def wall(self) -> float:
        """The wall clock, which goes as evenly."""
        return self.now - START + WALL

    def of_the_client(self) -> ExitStack:
        """Make it the clock of the client too, until it is closed."""
        with ExitStack() as stack:
            for name in ("link", "tasks"):
                stack.enter_context(patch(f"neurograph_ws_client.{name}.monotonic", self.time))
            return stack.pop_all()

    def run(self, work: Awaitable[Any]) -> Any:
        """Run `work` to its end."""
        return self.run_until_complete(work)

    def turn(self, turns: int = TURNS) -> None:
        """Let happen what is ready, and what follows from it."""
        self.run_until_complete(_turns(turns))


async def _turns(turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)

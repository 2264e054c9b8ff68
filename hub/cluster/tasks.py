"""Work that goes on beside the loop's turns, and ends with the node."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from channels.errors import BrokerError

T = TypeVar("T")
RETRY = 1.0
"""Seconds between two attempts while the store is away."""


class Tasks:
    """Keeps what it was given until it is done."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """On the running loop."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        """None goes on."""
        for task in self._tasks:
            task.cancel()


async def until_done(ask: Callable[[], Awaitable[T]], failed: Callable[[], None]) -> T:
    """What `ask` gives, however often the store is away until then; `failed` hears each time."""
    while True:
        try:
            return await ask()
        except BrokerError:
            failed()
            await asyncio.sleep(RETRY)

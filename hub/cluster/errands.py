"""Work that goes on beside the loop's turns, and ends with the node."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from channels.errors import BrokerError

if TYPE_CHECKING:
    from hub.counters import Counters

log = structlog.get_logger("hub.cluster")

T = TypeVar("T")
RETRY = 1.0
"""Seconds between two attempts while the store is away."""


class Errands:
    """Keeps what it was given until it is done; what fails as nothing should is told and counted."""

    def __init__(self, counters: "Counters") -> None:
        self._counters = counters
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """On the running loop."""
        task = asyncio.get_running_loop().create_task(work, name=getattr(work, "__qualname__", None))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def stop(self) -> None:
        """None goes on."""
        for task in self._tasks:
            task.cancel()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            self._counters.error("internal", "cluster")
            log.error("cluster.failed", work=task.get_name(), exc_info=fault)


async def until_done(ask: Callable[[], Awaitable[T]], failed: Callable[[], None]) -> T:
    """What `ask` gives, however often the store is away until then; `failed` hears each time."""
    while True:
        try:
            return await ask()
        except BrokerError:
            failed()
            await asyncio.sleep(RETRY)

"""Tasks that are meant to run for ever: one that dies is named, counted, and begun again.

What is done once and fails as nothing should is told here as well (`died`).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)

RESTART_SECONDS = 1.0
"""Between the death of a task and its next life."""


class Tasks:
    """Started and ended together."""

    def __init__(self) -> None:
        self.deaths = 0
        self._dead: dict[str, str] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def failure(self) -> str | None:
        """What has died and does not run again yet."""
        return next((f"{name} failed: {reason}" for name, reason in self._dead.items()), None)

    def start(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work`, which never returns by itself."""
        self._tasks[name] = asyncio.get_running_loop().create_task(self._run(name, work), name=f"redis-{name}")

    def end(self, name: str) -> None:
        """Its work is not wanted any more."""
        task = self._tasks.pop(name)
        self._dead.pop(name, None)
        task.cancel()
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def stop(self) -> None:
        """End them all."""
        tasks = [*self._tasks.values(), *self._ending]
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def died(self, name: str, error: Exception) -> None:
        """A piece of work that does not run for ever has failed as nothing should: it is told for a while."""
        self.deaths += 1
        self._dead[name] = repr(error)
        asyncio.get_running_loop().call_later(RESTART_SECONDS, self._dead.pop, name, None)

    async def _run(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except Exception as error:
                logger.exception("%s failed and is begun again", name)
                self._dead[name] = repr(error)
            else:
                logger.error("%s ended by itself and is begun again", name)
                self._dead[name] = "ended"
            self.deaths += 1
            await asyncio.sleep(RESTART_SECONDS)
            self._dead.pop(name, None)

"""Tasks that are meant to run for ever: one that dies is named, counted, and begun again."""

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
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def failure(self) -> str | None:
        """What has died and does not run again yet."""
        return next((f"{name} failed: {reason}" for name, reason in self._dead.items()), None)

    def start(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work`, which never returns by itself."""
        task = asyncio.get_running_loop().create_task(self._run(name, work), name=f"redis-{name}")
        self._tasks.add(task)

    async def stop(self) -> None:
        """End them all."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

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
            del self._dead[name]

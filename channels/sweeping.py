"""Forgetting idle logs in parts, between which everything else of the loop has its turn."""

import asyncio

from channels.directory import Directory

PAUSE = 0.01
"""Seconds between two parts of one sweep."""


class Sweeper:
    """Sweeps `logs`. Files take their time: the rest of a sweep comes after what else waits."""

    def __init__(self, logs: Directory) -> None:
        self._logs = logs
        self._timer: asyncio.TimerHandle | None = None

    def sweep(self, wall: float, loop: asyncio.AbstractEventLoop | None) -> None:
        """Once a second; without a loop only the first part is done."""
        self._logs.forget_idle(wall)
        self._go_on(wall, loop)

    def stop(self) -> None:
        """Do no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _go_on(self, wall: float, loop: asyncio.AbstractEventLoop | None) -> None:
        self.stop()
        if loop is not None and self._logs.is_sweeping:
            self._timer = loop.call_later(PAUSE, self._sweep_more, wall, loop)

    def _sweep_more(self, wall: float, loop: asyncio.AbstractEventLoop) -> None:
        self._logs.forget_more(wall)
        self._go_on(wall, loop)

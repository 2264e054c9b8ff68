"""The tasks of a client, its one timer, and who awaits an answer: whoever owns them ends them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from time import monotonic
from typing import Any

from .effects import Resolve
from .listeners import logger

# The task of the handler that asks from a thread beside the loop; what it asks for carries this along.
CALLER: ContextVar[asyncio.Future[Any] | None] = ContextVar("CALLER", default=None)


class Tasks:
    """What runs beside the calls of the application; one that fails is logged."""

    def __init__(self) -> None:
        self._running: set[asyncio.Future[Any]] = set()

    def __iter__(self) -> Iterator[asyncio.Future[Any]]:
        return iter(tuple(self._running))

    def start(self, work: Awaitable[Any]) -> asyncio.Future[Any]:
        """Run it."""
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._done)
        return task

    def replace(self, old: asyncio.Future[Any] | None, work: Awaitable[Any]) -> asyncio.Future[Any]:
        """Run it in place of another one."""
        if old is not None and old is not current_task():
            old.cancel()
        return self.start(work)

    def _done(self, task: asyncio.Future[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            logger.error("a task of the client failed", exc_info=fault)


class Timer:
    """Rings at a time of the monotonic clock; one that was set too early rings all the same, and is set anew."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._handle: asyncio.TimerHandle | None = None
        self._at = 0.0

    def rings_by(self, when: float) -> bool:
        """Whether it rings at that time or before."""
        return self._handle is not None and self._at <= when

    def set(self, when: float | None) -> None:
        """Ring by then; None is never."""
        if when is not None and self.rings_by(when):
            return
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if when is not None:
            wait = max(0.0, when - monotonic())
            self._handle, self._at = asyncio.get_running_loop().call_later(wait, self._rang), when

    def _rang(self) -> None:
        self._handle = None
        self._ring()


def current_task() -> asyncio.Future[object] | None:
    """The task that runs, if any."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def is_asking(task: asyncio.Future[Any]) -> bool:
    """Whether it is this task that asks, here or from a thread: to wait for it would never end."""
    return task is current_task() or task is CALLER.get()


def answer(ticket: object, resolve: Resolve | None, error: Exception | None) -> None:
    """Give an answer to whoever awaits it; a caller that was cancelled awaits nothing."""
    if not isinstance(ticket, asyncio.Future) or ticket.done():
        return
    if error is not None:
        ticket.set_exception(error)
    else:
        ticket.set_result(resolve)

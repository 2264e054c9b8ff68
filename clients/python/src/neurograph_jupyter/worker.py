"""The thread behind a session, and where the code of a notebook runs."""

import asyncio
import concurrent.futures
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from neurograph_ws_client import worker

from .errors import NotebookError

T = TypeVar("T")


class Worker(worker.Worker):
    """The thread of a session."""

    def __init__(self) -> None:
        super().__init__("neurograph notebook")

    def start(self, work: Coroutine[Any, Any, T]) -> "concurrent.futures.Future[T]":
        """Begin `work`, as long as there is a session."""
        if not self.is_running:
            work.close()
            raise NotebookError("the session is closed: expected %neurograph init before")
        return super().start(work)


class Place:
    """Where the code of a notebook runs: on the loop of its kernel, or on the thread that asks where there is none."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop

    async def run(self, act: Callable[[], object], context: contextvars.Context) -> None:
        """Run `act` and wait for it; what it prints belongs to the cell that `context` was taken in."""
        if self._loop is None:
            context.copy().run(act)
            return
        done: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._loop.call_soon_threadsafe(_run, act, done, context=context.copy())
        await asyncio.wrap_future(done)

    def post(self, act: Callable[[], object]) -> None:
        """Run `act` soon."""
        if self._loop is None:
            act()
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(act)


def _run(act: Callable[[], object], done: "concurrent.futures.Future[None]") -> None:
    if not done.set_running_or_notify_cancel():
        return
    try:
        act()
    except Exception as error:  # noqa: BLE001 - raised again where it is waited for
        done.set_exception(error)
    else:
        done.set_result(None)

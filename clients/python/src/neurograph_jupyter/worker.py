"""A thread with an event loop, for clients that a notebook calls without `await`."""

import asyncio
import concurrent.futures
import contextvars
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from .errors import NotebookError

T = TypeVar("T")


class Worker:
    """Runs coroutines on a loop of its own until `stop`."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="neurograph notebook", daemon=True)
        self._thread.start()

    def wait(self, work: Coroutine[Any, Any, T], seconds: float | None = None) -> T:
        """The result of `work`; TimeoutError after `seconds`, and an interrupt of the kernel cancels it."""
        if not self.is_running:
            work.close()
            raise NotebookError("the session is closed: expected %neurograph init before")
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result(seconds)
        except BaseException:
            future.cancel()
            raise

    @property
    def is_running(self) -> bool:
        """Until `stop`."""
        return self._thread.is_alive()

    def stop(self, seconds: float = 5.0) -> None:
        """End the loop and its thread."""
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(seconds)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()


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

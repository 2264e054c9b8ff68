"""A thread with an event loop, for code that does not `await`."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import Closed

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")


class Worker:
    """Runs coroutines on a loop of its own until `stop`; a daemon, which keeps no process alive."""

    def __init__(self, name: str = "neurograph") -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def start(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Begin `work`; Closed after `stop`, RuntimeError on the worker's own thread, where waiting would never end."""
        if not self.is_running or self.loop.is_closed():
            work.close()
            raise Closed("the client was closed")
        if threading.current_thread() is self._thread:
            work.close()
            text = "expected a call from another thread, came one from the client's own, which would wait for itself"
            raise RuntimeError(text)
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def wait(self, work: Coroutine[Any, Any, T], seconds: float | None = None) -> T:
        """The result of `work`; TimeoutError after `seconds`. An interrupt, by Ctrl-C or a kernel, cancels it."""
        future = self.start(work)
        try:
            return future.result(seconds)
        except BaseException:
            future.cancel()
            raise

    def call(self, act: Callable[[], T]) -> T:
        """The result of `act`, which runs between two turns of the loop and sees nothing half done."""

        async def acting() -> T:
            return act()

        return self.wait(acting())

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

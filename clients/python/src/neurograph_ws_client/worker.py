"""A thread with an event loop, for code that does not `await`."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import Closed

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")

# What is cancelled when the loop ends may clean up for so many seconds.
_END_WITHIN = 5.0


class Worker:
    """Runs coroutines on a loop of its own until `stop`; a daemon, which keeps no process alive."""

    def __init__(self, name: str = "neurograph") -> None:
        self.loop = asyncio.new_event_loop()
        self._lock = threading.Lock()
        self._is_stopped = False
        self._asked: set[Future[Any]] = set()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def start(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Begin `work`; Closed after `stop`, RuntimeError on the worker's own thread, where waiting would never end."""
        if self.is_own_thread:
            work.close()
            text = "expected a call from another thread, came one from the client's own, which would wait for itself"
            raise RuntimeError(text)
        with self._lock:
            if not self._is_stopped:
                future = asyncio.run_coroutine_threadsafe(work, self.loop)
                self._asked.add(future)
                future.add_done_callback(self._asked.discard)
                return future
        work.close()
        raise Closed("the client was closed")

    def result(self, future: "Future[T]", seconds: float | None = None) -> T:
        """What `start` began, when it is done; TimeoutError after `seconds`, Closed where `stop` ended it."""
        try:
            return future.result(seconds)
        except CancelledError as fault:
            if self.is_running:
                raise
            raise Closed("the client was closed") from fault

    def wait(self, work: Coroutine[Any, Any, T], seconds: float | None = None) -> T:
        """The result of `work`; TimeoutError after `seconds`. An interrupt, by Ctrl-C or a kernel, cancels it."""
        future = self.start(work)
        try:
            return self.result(future, seconds)
        except BaseException:
            future.cancel()
            raise

    def call(self, act: Callable[[], T], seconds: float | None = None) -> T:
        """The result of `act`, which runs between two turns of the loop and sees nothing half done.

        On the worker's own thread it runs at once. TimeoutError after `seconds`.
        """
        if self.is_own_thread:
            return act()

        async def acting() -> T:
            return act()

        return self.wait(acting(), seconds)

    @property
    def is_own_thread(self) -> bool:
        """Whether it is the worker's thread that asks."""
        return threading.current_thread() is self._thread

    @property
    def is_running(self) -> bool:
        """Until `stop`."""
        return not self._is_stopped

    def stop(self, seconds: float = 5.0) -> None:
        """End the loop and its thread; whoever still waits for something gets Closed."""
        with self._lock:
            if not self._is_stopped:
                self._is_stopped = True
                self.loop.call_soon_threadsafe(self.loop.stop)
        if not self.is_own_thread:
            self._thread.join(seconds)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            # Also where something ended the loop that was not `stop`.
            with self._lock:
                self._is_stopped = True
            try:
                self.loop.run_until_complete(self._end())
            finally:
                self.loop.close()

    async def _end(self) -> None:
        """Cancel all that runs, and leave nobody who waits."""
        running = asyncio.all_tasks() - {asyncio.current_task()}
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=_END_WITHIN)
        await self.loop.shutdown_asyncgens()
        for future in tuple(self._asked):
            future.cancel()

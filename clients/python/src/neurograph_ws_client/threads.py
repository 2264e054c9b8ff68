"""Threads for code of the application that may block: daemons, which keep no process alive."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from .errors import Closed


class Threads:
    """Calls on threads of its own, at most `side_by_side` at a time and in the order they came.

    `waiting` more are kept, or as many as come where whoever calls has a bound of its own; beyond, the oldest of them
    is cancelled and counted in `dropped`.
    """

    def __init__(self, name: str, side_by_side: int, waiting: int | None = None) -> None:
        self.dropped = 0
        self._name = name
        self._side_by_side = side_by_side
        self._waiting = waiting
        self._calls: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._changed = threading.Condition()
        self._count = 0
        self._idle = 0
        self._is_closed = False

    def start(self, act: Callable[[], Any]) -> Future[Any]:
        """Call it soon; Closed after `close`."""
        future: Future[Any] = Future()
        oldest: Future[Any] | None = None
        with self._changed:
            if self._is_closed:
                raise Closed("the client was closed")
            if self._waiting is not None and len(self._calls) >= self._waiting:
                oldest = self._calls.popleft()[0]
                self.dropped += 1
            self._calls.append((future, act))
            if len(self._calls) > self._idle and self._count < self._side_by_side:
                self._count += 1
                name = f"{self._name}-{self._count}"
                threading.Thread(target=self._work, name=name, daemon=True).start()
            self._changed.notify()
        if oldest is not None:
            oldest.cancel()
        return future

    def close(self, *, forget: bool) -> None:
        """Take nothing more, and end each thread when it has nothing to do; with `forget` what waits is cancelled."""
        with self._changed:
            self._is_closed = True
            gone = [future for future, _ in self._calls] if forget else []
            if forget:
                self._calls.clear()
            self._changed.notify_all()
        for future in gone:
            future.cancel()

    def _work(self) -> None:
        # By a function of its own: nothing of a call is held while the thread waits for the next one.
        while self._do_next():
            pass

    def _do_next(self) -> bool:
        call = self._next()
        if call is None:
            return False
        future, act = call
        if future.set_running_or_notify_cancel():
            try:
                result = act()
            except BaseException as fault:  # noqa: BLE001 - raised again where it is awaited
                future.set_exception(_carried(fault))
            else:
                future.set_result(result)
        return True

    def _next(self) -> tuple[Future[Any], Callable[[], Any]] | None:
        with self._changed:
            self._idle += 1
            while not self._calls and not self._is_closed:
                self._changed.wait()
            self._idle -= 1
            return self._calls.popleft() if self._calls else None


def _carried(fault: BaseException) -> BaseException:
    """The error as a future may carry it: StopIteration would end who awaits it, SystemExit the loop."""
    if isinstance(fault, Exception) and not isinstance(fault, StopIteration):
        return fault
    error = RuntimeError(f"{type(fault).__name__} was raised, which nobody could await")
    error.__cause__ = fault
    return error

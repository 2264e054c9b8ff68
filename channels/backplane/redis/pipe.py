"""One connection with many commands on their way: answers come in the order of the commands."""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable
from typing import Any

from hiredis import pack_command
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import BusyLoadingError, NoPermissionError, RedisError, ResponseError

from channels.backplane.redis.errors import NotSentError, StoreError, UnansweredError, refusal

logger = logging.getLogger(__name__)

READS_AT_ONCE = 64
"""Answers taken before other tasks of the loop have their turn."""


class _Call:
    __slots__ = ("deadline", "future", "is_sent")

    def __init__(self, future: asyncio.Future[Any], deadline: float) -> None:
        self.future = future
        self.deadline = deadline
        self.is_sent = False


class Pipe:
    """A connection and what waits on it. `lost` is told once when it has ended, and why; it is never used again.

    A command that is not answered within `patience` seconds ends it: what comes later could belong to anybody.
    """

    def __init__(self, connection: AbstractConnection, patience: float, lost: Callable[[str], None]) -> None:
        self._connection = connection
        self._patience = patience
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._calls: deque[_Call] = deque()
        self._unsent: list[_Call] = []
        self._out: list[bytes] = []
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._tasks = [self._loop.create_task(self._read()), self._loop.create_task(self._write())]

    def __repr__(self) -> str:
        return f"<Pipe {'closed' if self._is_closed else 'open'}, {len(self._calls)} unanswered>"

    def call(self, *command: Any) -> asyncio.Future[Any]:
        """Send a command. The future holds its reply, or a `StoreError`."""
        future: asyncio.Future[Any] = self._loop.create_future()
        if self._is_closed:
            future.set_exception(NotSentError("the connection has ended"))
            return future
        call = _Call(future, self._loop.time() + self._patience)
        self._out.append(pack_command(command))
        self._calls.append(call)
        self._unsent.append(call)
        self._wake.set()
        if self._timer is None:
            self._timer = self._loop.call_at(call.deadline, self._watch)
        return future

    async def close(self) -> None:
        """End it; who waits hears that nothing was answered."""
        self._end("closed by this node")
        try:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        finally:
            await self._connection.disconnect(nowait=True)

    def end(self, reason: str) -> None:
        """End it without waiting for that: `close` does."""
        self._end(reason)

    async def _read(self) -> None:
        taken = 0
        try:
            while True:
                try:
                    reply = await self._connection.read_response(timeout=math.inf, disconnect_on_error=False)
                except (ResponseError, BusyLoadingError, NoPermissionError) as error:
                    reply = error
                if not self._calls:
                    raise RedisError("an answer to nothing")
                self._answer(self._calls.popleft(), reply)
                taken += 1
                if taken % READS_AT_ONCE == 0:
                    await asyncio.sleep(0)
        except (RedisError, OSError) as error:
            self._end(str(error) or type(error).__name__)
        except Exception as error:
            logger.exception("answers of Redis could not be read")
            self._end(f"reading failed: {error!r}")

    async def _write(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                chunk, self._out = self._out, []
                for call in self._unsent:
                    call.is_sent = True
                self._unsent.clear()
                await self._connection.send_packed_command(chunk, check_health=False)
        except (RedisError, OSError) as error:
            self._end(str(error) or type(error).__name__)
        except Exception as error:
            logger.exception("commands to Redis could not be written")
            self._end(f"writing failed: {error!r}")

    def _answer(self, call: _Call, reply: Any) -> None:
        if call.future.done():
            return  # who asked waits no longer
        if isinstance(reply, RedisError):
            call.future.set_exception(refusal(reply))
        else:
            call.future.set_result(reply)

    def _watch(self) -> None:
        """The oldest command has had its time, or is answered and another is the oldest."""
        self._timer = None
        if self._is_closed or not self._calls:
            return
        oldest = self._calls[0]
        if oldest.deadline <= self._loop.time():
            self._end(f"no answer within {self._patience:g} s")
        else:
            self._timer = self._loop.call_at(oldest.deadline, self._watch)

    def _end(self, reason: str) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        calls, self._calls = self._calls, deque()
        for call in calls:
            if not call.future.done():
                error: StoreError = UnansweredError(reason) if call.is_sent else NotSentError(reason)
                call.future.set_exception(error)
                call.future.exception()  # who waits no longer need not take it
        self._lost(reason)

"""Data to stdout without ever blocking the loop: what came in one turn goes out in one, a slow reader is waited for."""

import asyncio
import os
import select
import stat
from collections.abc import Awaitable

# A pipe that says it is writable takes this much without blocking (POSIX: PIPE_BUF).
_PIECE = 4096

# Beyond this the writer of lines is made to wait.
_ENOUGH = 64 << 10

_GONE = select.POLLERR | select.POLLHUP


class Sink:
    """Writes lines to a descriptor. `closed` is done when nobody reads any more, or with what stopped the writing."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[OSError | None] = self._loop.create_future()
        mode = os.fstat(descriptor).st_mode
        # A file takes everything, and epoll does not take a file.
        self._may_block = not stat.S_ISREG(mode)
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self._buffer = bytearray()
        self._is_scheduled = False
        self._drained: asyncio.Future[None] | None = None
        self._is_watched = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
        if self._is_watched:
            # Shows the end of a reader even while there is nothing to write.
            self._loop.add_reader(descriptor, self._look)

    def write(self, line: bytes) -> Awaitable[None] | None:
        """Write a line when this turn of the loop ends; what is returned is to be awaited before the next one."""
        if self.closed.done():
            return None
        self._buffer += line
        if self._drained is None and not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._flush)
        if len(self._buffer) < _ENOUGH:
            return None
        self._flush()
        return None if self._drained is None else asyncio.shield(self._drained)

    async def finish(self, patience: float | None = None) -> None:
        """Write what is left, waiting for the reader that long; then leave the descriptor alone."""
        self._flush()
        if self._drained is not None:
            await asyncio.wait((self._drained, self.closed), timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            self._loop.remove_writer(self._descriptor)
        if self._is_watched:
            self._loop.remove_reader(self._descriptor)

    def _flush(self) -> None:
        self._is_scheduled = False
        while self._buffer and self._is_ready():
            del self._buffer[: self._write()]
        if self._buffer and self._drained is None:
            self._drained = self._loop.create_future()
            self._loop.add_writer(self._descriptor, self._flush)
        elif not self._buffer and self._drained is not None:
            self._loop.remove_writer(self._descriptor)
            self._drained.set_result(None)
            self._drained = None

    def _write(self) -> int:
        try:
            return os.write(self._descriptor, self._buffer[:_PIECE] if self._may_block else self._buffer)
        except BrokenPipeError:
            self._end(None)
        except OSError as fault:
            self._end(fault)
        return 0

    def _is_ready(self) -> bool:
        if not self._may_block:
            return True
        events = self._poll.poll(0)
        return bool(events) and bool(events[0][1] & (select.POLLOUT | _GONE))

    def _look(self) -> None:
        events = self._poll.poll(0)
        if events and events[0][1] & _GONE:
            self._end(None)

    def _end(self, fault: OSError | None) -> None:
        self._buffer.clear()
        if self._is_watched:
            self._is_watched = False
            self._loop.remove_reader(self._descriptor)
        if not self.closed.done():
            self.closed.set_result(fault)

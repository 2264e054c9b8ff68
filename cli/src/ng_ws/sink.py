"""Data to stdout, a line at a time, without ever blocking the loop: a slow reader costs its own lines only."""

import asyncio
import os
import select
import stat
from collections import deque
from collections.abc import Awaitable

# A pipe that says it is writable takes this much without blocking (POSIX: PIPE_BUF).
_PIECE = 4096


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
        self._waiting: deque[memoryview] = deque()
        self._drained: asyncio.Future[None] | None = None
        self._is_watched = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
        if self._is_watched:
            # Shows the end of a reader even while there is nothing to write.
            self._loop.add_reader(descriptor, self._look)

    def write(self, line: bytes) -> Awaitable[None] | None:
        """Write a line; what is returned is to be awaited before the next one."""
        if not self._waiting and len(line) <= _PIECE and self._is_ready():
            self._write(line)
            return None
        if self.closed.done():
            return None
        self._waiting.append(memoryview(line))
        if self._drained is None and self._flush():
            return None
        return self._wait()

    def stop(self) -> None:
        """Watch the descriptor no more."""
        if self._is_watched:
            self._loop.remove_reader(self._descriptor)
        if self._drained is not None:
            self._loop.remove_writer(self._descriptor)

    async def _wait(self) -> None:
        if self._drained is None:
            self._drained = self._loop.create_future()
            self._loop.add_writer(self._descriptor, self._resume)
        await asyncio.shield(self._drained)

    def _resume(self) -> None:
        if self._flush() and self._drained is not None:
            self._loop.remove_writer(self._descriptor)
            self._drained.set_result(None)
            self._drained = None

    def _flush(self) -> bool:
        """Write while it is taken; whether everything was."""
        while self._waiting and self._is_ready():
            piece = self._waiting[0]
            taken = self._write(piece[:_PIECE] if self._may_block else piece)
            if taken == len(piece):
                self._waiting.popleft()
            elif self._waiting:
                self._waiting[0] = piece[taken:]
        return not self._waiting

    def _write(self, piece: bytes | memoryview) -> int:
        try:
            return os.write(self._descriptor, piece)
        except BrokenPipeError:
            self._end(None)
        except OSError as fault:
            self._end(fault)
        return 0

    def _is_ready(self) -> bool:
        if not self._may_block:
            return True
        if self.closed.done():
            return False
        events = self._poll.poll(0)
        return bool(events) and bool(events[0][1] & (select.POLLOUT | select.POLLERR | select.POLLHUP))

    def _look(self) -> None:
        events = self._poll.poll(0)
        if events and events[0][1] & (select.POLLERR | select.POLLHUP):
            self._end(None)

    def _end(self, fault: OSError | None) -> None:
        self._waiting.clear()
        if self._is_watched:
            self._is_watched = False
            self._loop.remove_reader(self._descriptor)
        if not self.closed.done():
            self.closed.set_result(fault)

"""A process of our own: started on a free port, killed, stopped, paused and resumed, by its id."""

import asyncio
import contextlib
import signal
import socket
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from random import randrange

# How long a start, and an end after SIGTERM, may take: a drain of a hub has a deadline of 30 s.
START_WAIT = 30.0
STOP_WAIT = 60.0

# A process that is starting tells nobody when it is ready but who asks.
_ASK_EVERY = 0.05


class OwnedProcess:
    """One process at a time; what it says goes into `log`."""

    def __init__(self, log: Path) -> None:
        self.log = log
        # Kill, stop and pause may overlap in a schedule; on one process they take turns.
        self.turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def kill(self) -> None:
        """kill -9."""
        await self._end(signal.SIGKILL, STOP_WAIT)

    async def stop(self) -> None:
        """SIGTERM; one that does not end in time is killed."""
        try:
            await self._end(signal.SIGTERM, STOP_WAIT)
        except TimeoutError:
            await self.kill()

    def pause(self) -> None:
        """SIGSTOP: as a long pause of its runtime would look."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    async def spawn(
        self,
        command: Sequence[str],
        directory: Path,
        is_ready: Callable[[], Awaitable[bool]],
        environment: Mapping[str, str] | None = None,
    ) -> bool:
        """Start it and wait until it is ready. -> False if it ended before; TimeoutError, and it is killed"""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for us; what becomes of the process then is ours to decide.
                start_new_session=True,
            )
        ended = asyncio.ensure_future(self._process.wait())
        try:
            async with asyncio.timeout(START_WAIT):
                while not ended.done():
                    if await is_ready():
                        return True
                    await asyncio.wait((ended,), timeout=_ASK_EVERY)
        except BaseException:
            await self.kill()
            raise
        finally:
            ended.cancel()
        return False

    def said(self) -> str:
        """Its last words."""
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log.exists() else []
        return " | ".join(lines[-5:]) or "it said nothing"

    async def _end(self, number: signal.Signals, patience: float) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        self._signal(number)
        async with asyncio.timeout(patience):
            await process.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)


def free_port() -> int:
    """A port of loopback on which nobody listens at this moment, and that no outgoing connection will take meanwhile.

    Systems take those for connections from higher ones; a server that is down for a moment finds its own free.
    """
    start = randrange(_LOWEST, _HIGHEST)  # noqa: S311 - so that several runs do not try the same ones
    for step in range(_HIGHEST - _LOWEST):
        port = _LOWEST + (start - _LOWEST + step) % (_HIGHEST - _LOWEST)
        if port in _given:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
    raise OSError(f"expected a free port from {_LOWEST} to {_HIGHEST}, found none")


_LOWEST, _HIGHEST = 12_000, 32_000
_given: set[int] = set()

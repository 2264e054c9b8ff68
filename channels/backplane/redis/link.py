"""The command connection to one Redis: opened by one task, opened again when it is lost, guarded by the breaker."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext, suppress
from typing import Any, NamedTuple

from redis.asyncio.connection import AbstractConnection

from channels.backplane.redis.backoff import Backoff
from channels.backplane.redis.breaker import Breaker
from channels.backplane.redis.errors import NotSentError, RefusedError, StoreError, UnansweredError
from channels.backplane.redis.figures import RedisFigures
from channels.backplane.redis.options import RedisOptions
from channels.backplane.redis.pipe import Pipe
from channels.backplane.redis.scripts import ALL, Script
from channels.backplane.redis.tasks import Tasks

logger = logging.getLogger(__name__)

AT_ONCE = frozenset({"beat", "echo"})
"""Commands that wait for no slot: one of each a second, and a node that is late with them counts as gone."""
PROBE_STEPS = 3
"""While the circuit is open, a probe waits as long as after so many failed attempts."""

Dial = Callable[[], Awaitable[AbstractConnection]]


class Opened(NamedTuple):
    """There is a new command connection."""

    replid: str
    """Of its master."""
    is_other: bool
    """It writes another history than the one before."""
    begun_at: float
    """When it was looked for, by the clock of the loop."""


class Link:
    """Commands go through here. `is_up` says whether it is worth trying; `call` fails at once where it is not.

    `opened` hears of each connection. `failure` says what of this, and not of Redis, is amiss.
    """

    def __init__(
        self,
        dial: Dial,
        options: RedisOptions,
        figures: RedisFigures,
        opened: Callable[[Opened], None],
        *,
        scripts: Sequence[Script] = ALL,
    ) -> None:
        self.breaker = Breaker()
        self.replid = ""
        """The replication id of the master, as the connection found it."""
        self.reason = "not connected yet"
        """Why it is not up, for operators."""
        self._dial = dial
        self._options = options
        self._figures = figures
        self._opened = opened
        self._backoff = Backoff(*options.backoff)
        self._scripts = scripts
        self._pipe: Pipe | None = None
        self._gone: list[Pipe] = []
        self._doubted: set[str] = set()
        """Ids of masters that are former ones, somebody says."""
        self._up = asyncio.Event()
        self._attention = asyncio.Event()
        self._slots = asyncio.Semaphore(options.pool)
        self._tasks = Tasks()

    def __repr__(self) -> str:
        return f"<Link {'up' if self.is_up else self.reason}, {self.breaker!r}>"

    @property
    def is_up(self) -> bool:
        """Commands are answered, as far as is known."""
        return self._up.is_set()

    @property
    def failure(self) -> str | None:
        """Why commands are not answered, or may not be soon; None: they are."""
        return self._tasks.failure or (None if self.is_up else self.reason)

    def start(self) -> None:
        """Connect, and stay connected."""
        self._tasks.start("connecting", self._keep)

    async def stop(self) -> None:
        """Close; what is on its way is unanswered."""
        await self._tasks.stop()
        self._discard("the node stops")
        await self._close_gone()

    async def wait_up(self, until: float) -> bool:
        """Wait until it is up, at most until this time of the loop's clock. -> whether it is"""
        if not self._up.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await self._up.wait()
        return self._up.is_set()

    async def call(self, name: str, *command: Any, asks: bool = False) -> Any:
        """The reply to a command; raises `StoreError`. `name` is what it is counted as.

        `asks`: the slot is on its way to this server of a cluster (ASK).
        """
        async with nullcontext() if name in AT_ONCE else self._slots:
            pipe = self._pipe
            if pipe is None or not self._up.is_set():
                raise NotSentError(self.reason)
            start = time.perf_counter()
            try:
                if asks:
                    pipe.call("ASKING").add_done_callback(_forget)
                reply = await pipe.call(*command)
            except RefusedError as error:
                if error.is_fault:
                    self._fault(str(error), kind="refused")
                if error.is_misplaced:
                    pipe.end(str(error))
                raise
            self._figures.command(name, time.perf_counter() - start)
        if not self.breaker.is_open:
            self.breaker.succeeded()
        return reply

    async def read_replid(self) -> str:
        """The replication id of the master, now; raises `StoreError`."""
        self.replid = _replication(await self.call("info", "INFO", "replication"))["master_replid"]
        return self.replid

    def hurry(self) -> None:
        """Do not wait before the next attempt to connect."""
        self._backoff.hurry()

    def reconnect(self, reason: str) -> None:
        """Leave this connection: it leads to the wrong place."""
        if self._pipe is None:
            return  # another is being made
        logger.warning("the command connection is opened anew: %s", reason)
        self._figures.fault("redis", "former master")
        self._discard(reason)

    def leave(self, replid: str) -> None:
        """Leave this connection if its master has that id: another node calls it a former one."""
        self._doubted.add(replid)
        self._attention.set()

    # --- the one task that connects -----------------------------------------------------------------------------------

    async def _keep(self) -> None:
        backoff = self._backoff
        while True:
            await self._close_gone()
            # While the circuit is open, a probe waits as well.
            await backoff.pause(PROBE_STEPS if self.breaker.is_open else 0)
            self._attention.clear()
            try:
                await self._ensure()
            except StoreError as error:
                backoff.failed()
                self._discard(str(error))
                self._fault(str(error), kind="connect")
                continue
            except Exception as error:
                self._discard(repr(error))  # half a greeting is none
                raise
            if self.breaker.is_open or self._pipe is None:
                continue  # one success is not enough
            backoff.succeeded()
            self.reason = ""
            self._up.set()
            await self._attention.wait()

    async def _ensure(self) -> None:
        """Connect, or probe the connection with one command; raises `StoreError`."""
        if self._pipe is None:
            begun_at = asyncio.get_running_loop().time()
            pipe = self._pipe = Pipe(await self._dial(), self._options.command, self._lost)
            former, self.replid = self.replid, await _greet(pipe, self._scripts)
            self._opened(Opened(self.replid, former not in ("", self.replid), begun_at))
        elif self._doubted:
            doubted, self._doubted = self._doubted, set()
            self.replid = _replication(await self._pipe.call("INFO", "replication"))["master_replid"]
            if self.replid in doubted:
                self.reconnect("another node calls its master a former one")
                return
        else:
            await self._pipe.call("PING")
        self.breaker.succeeded()

    def _lost(self, reason: str) -> None:
        """The connection has ended by itself."""
        if self._up.is_set():
            self._fault(reason, kind="lost")
        self._discard(reason)

    def _fault(self, reason: str, kind: str) -> None:
        self._figures.fault("redis", kind)
        if self.breaker.failed():
            text = "Redis cannot be used, and is asked again and again; expected it to run and to take this login: %s"
            logger.warning(text, reason)
            self._down(reason)

    def _down(self, reason: str) -> None:
        self.reason = reason
        self._up.clear()
        self._attention.set()

    def _discard(self, reason: str) -> None:
        """This connection is not used again; its sockets are closed when the keeper has its turn."""
        if self._pipe is not None:
            pipe, self._pipe = self._pipe, None
            self._gone.append(pipe)
            pipe.end(reason)
        self._down(reason)

    async def _close_gone(self) -> None:
        while self._gone:
            await self._gone.pop().close()


async def _greet(pipe: Pipe, scripts: Sequence[Script]) -> str:
    """What a connection begins with: is this a master, and does it know the scripts? -> its replication id"""
    replication = pipe.call("INFO", "replication")
    loading = [pipe.call("SCRIPT", "LOAD", script.text) for script in scripts]
    replies = await asyncio.gather(replication, *loading, return_exceptions=True)
    for reply in replies:
        if isinstance(reply, BaseException):
            raise reply if isinstance(reply, StoreError) else UnansweredError(str(reply))
    told = _replication(await replication)
    if told.get("role") != "master":
        raise RefusedError(f"expected a master, came a {told.get('role')}", is_fault=True, is_misplaced=True)
    return told["master_replid"]


def _replication(info: bytes) -> dict[str, str]:
    return dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)


def _forget(future: "asyncio.Future[Any]") -> None:
    if not future.cancelled():
        future.exception()

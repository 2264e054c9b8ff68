"""One connection that listens: what it is subscribed to, what comes, and commands sent through it (N9).

It speaks RESP3, so that the canary is published through the very connection that it is to come back on.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Iterable
from itertools import islice

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError, ResponseError

from channels.backplane.redis.backoff import Backoff
from channels.backplane.redis.connection import OversizeError
from channels.backplane.redis.errors import StoreError
from channels.backplane.redis.figures import RedisFigures
from channels.backplane.redis.options import RedisOptions

logger = logging.getLogger(__name__)

NAMES_AT_ONCE = 500
"""Channels in one SUBSCRIBE."""
READS_AT_ONCE = 64
MESSAGES = (b"message", b"smessage")
CONFIRMATIONS = (b"subscribe", b"ssubscribe")
ENDS = (b"unsubscribe", b"sunsubscribe")


class Feed:
    """Subscriptions of one server. `heard(name, payload)`, `subscribed(name)`, `refused()` and `closed()` are called by
    its task.

    `is_sharded` names those that are subscribed with SSUBSCRIBE. Opened again when it ends, with everything wanted.
    What the server refuses is asked for again, with pauses, each name by itself: one may be what spoils the others.
    """

    def __init__(
        self,
        dial: Callable[[], Awaitable[AbstractConnection]],
        options: RedisOptions,
        figures: RedisFigures,
        *,
        heard: Callable[[str, bytes], None],
        subscribed: Callable[[str], None],
        closed: Callable[[], None],
        refused: Callable[[], None] = lambda: None,
        is_sharded: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self.reason = "not connected yet"
        """Why it is not open, for operators."""
        self.is_open = False
        self._dial = dial
        self._figures = figures
        self._heard = heard
        self._subscribed = subscribed
        self._closed = closed
        self._refused = refused
        self._is_sharded = is_sharded
        self._backoff = Backoff(*options.backoff)
        self._wanted: dict[str, None] = {}
        self._unconfirmed: dict[str, None] = {}
        """Of those, what the server has not confirmed on this connection."""
        self._refusals = Backoff(*options.backoff)
        self._retry: asyncio.TimerHandle | None = None
        self._connection: AbstractConnection | None = None
        self._sending: asyncio.Queue[tuple[str | bytes, ...]] = asyncio.Queue()
        self._work: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<Feed {'open' if self.is_open else self.reason}, {len(self._wanted)} subscriptions>"

    @property
    def unconfirmed(self) -> int:
        """Subscriptions that are wanted and not heard."""
        return len(self._unconfirmed) if self._connection is not None else len(self._wanted)

    def subscribe(self, name: str) -> None:
        """Hear what is published on `name`, from the moment on that `subscribed` tells."""
        self._wanted[name] = None
        if self._connection is not None:
            self._send_subscriptions([name])

    def unsubscribe(self, name: str) -> None:
        """Hear it no longer."""
        self._unconfirmed.pop(name, None)
        if self._wanted.pop(name, 0) is None and self._connection is not None:
            self._sending.put_nowait(("SUNSUBSCRIBE" if self._is_sharded(name) else "UNSUBSCRIBE", name))

    def publish(self, name: str, payload: bytes) -> None:
        """Publish through this connection; nothing if it is not open."""
        if self._connection is not None:
            self._sending.put_nowait(("PUBLISH", name, payload))

    def reopen(self, reason: str) -> None:
        """Close it, whatever it thinks of itself, and open another."""
        self._figures.fault("canary", reason)
        logger.warning("the subscription is opened anew: %s", reason)
        self.reason = reason
        for task in self._work:
            task.cancel()

    async def run(self) -> None:
        """For ever: be open."""
        while True:
            await self._backoff.pause()
            try:
                connection = await self._dial()
            except StoreError as error:
                self.reason = str(error)
                self._backoff.failed()
                continue
            if await self._serve(connection):
                self._backoff.succeeded()
            else:
                self._backoff.failed()

    def hurry(self) -> None:
        """Do not wait before the next attempt to connect."""
        self._backoff.hurry()

    async def _serve(self, connection: AbstractConnection) -> bool:
        """Listen until it ends. -> whether anything was heard"""
        self._sending = asyncio.Queue()
        self._connection = connection
        self._send_subscriptions(self._wanted)
        loop = asyncio.get_running_loop()
        counts = [0]
        self._work = {loop.create_task(self._read(connection, counts)), loop.create_task(self._write(connection))}
        try:
            await asyncio.wait(self._work, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._connection = None
            self.is_open = False
            self._unconfirmed.clear()
            self._stop_retrying()
            for task in self._work:
                task.cancel()
            outcomes = await asyncio.gather(*self._work, return_exceptions=True)
            self._work = set()
            await connection.disconnect(nowait=True)
            self._closed()
        for outcome in outcomes:
            if isinstance(outcome, RedisError | OSError):
                self.reason = str(outcome) or type(outcome).__name__
                self._figures.fault("redis", "feed")
            elif isinstance(outcome, Exception):
                raise outcome
        return counts[0] > 0

    async def _read(self, connection: AbstractConnection, counts: list[int]) -> None:
        while True:
            try:
                message = await connection.read_response(timeout=math.inf, disconnect_on_error=False, push_request=True)
            except ResponseError as error:
                logger.warning("Redis refuses a subscription: %s", error)
                self._figures.details["redis/subscription"] += 1
                self._refused()
                self._try_again()
                continue
            except OversizeError:
                self._figures.fault("too_large", "feed")
                raise
            counts[0] += 1
            if isinstance(message, list) and len(message) >= 3:
                self._take(message)
            if counts[0] % READS_AT_ONCE == 0:
                await asyncio.sleep(0)

    def _take(self, message: list[object]) -> None:
        kind, raw, payload = message[0], message[1], message[2]
        if not isinstance(raw, bytes):
            return
        name = raw.decode(errors="replace")
        if kind in MESSAGES:
            if isinstance(payload, bytes):
                self._heard(name, payload)
        elif kind in CONFIRMATIONS:
            self.is_open = True
            self._unconfirmed.pop(name, None)
            if not self._unconfirmed:
                self._stop_retrying()
            if name in self._wanted:
                self._subscribed(name)
        elif kind in ENDS and name in self._wanted:
            self.reopen("moved")  # the server has the slot no longer

    async def _write(self, connection: AbstractConnection) -> None:
        while True:
            command = await self._sending.get()
            await connection.send_command(*command, check_health=False)

    def _try_again(self) -> None:
        """The server has refused something: what it has not confirmed is asked for again in a while."""
        if self._unconfirmed and self._retry is None:
            self._refusals.failed()
            self._retry = asyncio.get_running_loop().call_later(self._refusals.length(), self._retry_some)

    def _retry_some(self) -> None:
        self._retry = None
        some = list(islice(self._unconfirmed, NAMES_AT_ONCE))
        for name in some:
            del self._unconfirmed[name]  # others have their turn before it is tried once more
            self._send_subscriptions([name])

    def _stop_retrying(self) -> None:
        self._refusals.succeeded()
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def _send_subscriptions(self, names: Iterable[str]) -> None:
        plain = []
        for name in names:
            self._unconfirmed[name] = None
            if self._is_sharded(name):
                self._sending.put_nowait(("SSUBSCRIBE", name))  # of one slot only, so one at a time
            else:
                plain.append(name)
        for start in range(0, len(plain), NAMES_AT_ONCE):
            self._sending.put_nowait(("SUBSCRIBE", *plain[start : start + NAMES_AT_ONCE]))

"""The bus between nodes over Redis: what they tell each other beside entries."""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from channels.backplane.bus import KEPT_SECONDS, SILENT_SECONDS, Heard, News, Tell, Told
from channels.backplane.redis.backoff import Backoff
from channels.backplane.redis.control import Control, UnreadableControlError, read_control, write_control
from channels.backplane.redis.errors import NotSentError, RefusedError, StoreError
from channels.backplane.redis.figures import RedisFigures
from channels.backplane.redis.life import Life
from channels.backplane.redis.options import RedisOptions
from channels.backplane.redis.peers import Peers
from channels.backplane.redis.scripts import TELL
from channels.backplane.redis.shared import Shared
from channels.backplane.redis.store import Store

logger = logging.getLogger(__name__)

MOST_WAITING = 10_000
"""Messages that wait for the store; beyond it the oldest goes and is counted."""
MOST_KEPT = 100_000
TOLD_AT_ONCE = 64
READ_AT_ONCE = 500
MARGIN_SECONDS = 10.0
"""Of the time for which messages are kept: a node that was cut off for nearly as long may have missed some."""
BYE = "bye"
BYE_PATIENCE = 1.0


class _Waiting(NamedTuple):
    payload: bytes
    is_kept: bool


class RedisBus:
    """See `Bus`. Made before its backplane starts, which lends it the store and lets it hear what comes on `ng:ctl`."""

    def __init__(self, options: RedisOptions, run: str, figures: RedisFigures) -> None:
        self.node = options.node
        self._options = options
        self.run = run
        self._figures = figures
        self._store: Store | None = None
        self._shared = Shared(options.node)
        self._peers = Peers(options.node, run)
        self._heard: dict[str, Heard] = {BYE: lambda *_: None}
        self._life = Life(options.node, run, self._peers, figures)
        self._life.returned = self._return
        self._life.forgotten = self._forget
        self._returned: Callable[[], None] = lambda: None
        self._missed: Callable[[], None] = lambda: None
        self.forgotten: Callable[[], None] = lambda: None
        """Hears that the store has lost that this node is there."""
        self._number = 0
        self._kept = 0
        self._waiting: deque[_Waiting] = deque()
        self._wake = asyncio.Event()
        self._wake_reader = asyncio.Event()
        self._cursor = b"-"
        self._whole_at = -math.inf
        """When everything that was kept by then had been heard; infinitely long ago: not yet since the start."""
        self._backoff = Backoff(*options.backoff)

    def __repr__(self) -> str:
        return f"<RedisBus {self.node}, {len(self._waiting)} messages wait>"

    # --- the contract -------------------------------------------------------------------------------------------------

    def tell(self, kind: str, body: Mapping[str, Any], *, keep: bool = False) -> None:
        """See `Bus`."""
        is_away = self._store is None or self._store.failure is not None
        if is_away and not keep:
            self._figures.details["bus/lost"] += 1
            return
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self._figures.details["bus/dropped"] += 1
        number, kept = self._number + 1, self._kept + keep
        payload = write_control(Control(self.node, self.run, number, kept, kind, body, keep))
        self._number, self._kept = number, kept
        self._waiting.append(_Waiting(payload, keep))
        self._wake.set()

    def listen(self, kind: str, heard: Heard) -> None:
        """See `Bus`."""
        if kind in self._heard:
            raise ValueError(f"expected one listener for each kind, came a second for {kind!r}")
        self._heard[kind] = heard

    def nodes(self) -> Mapping[str, float]:
        """See `Bus`."""
        return self._peers.nodes(asyncio.get_running_loop().time())

    async def others(self) -> Sequence[str]:
        """See `Bus`."""
        return await self._life.others()

    @property
    def is_contested(self) -> bool:
        """See `Bus`."""
        return self._life.is_contested

    def on_silent(self, told: Callable[[str], None]) -> None:
        """See `Bus`. If it does not `bury` the node within 15 s, another node is told."""
        self._life.silent = told

    def on_ended(self, told: Callable[[str], None]) -> None:
        """See `Bus`; as `on_silent`."""
        self._life.ended = told

    def on_returned(self, told: Callable[[], None]) -> None:
        """See `Bus`."""
        self._returned = told

    def on_missed(self, told: Callable[[], None]) -> None:
        """See `Bus`."""
        self._missed = told

    async def claim(self, session: str) -> int:
        """See `Bus`."""
        return await self._shared.claim(session)

    async def present(self, channel: str, subjects: Mapping[str, float | None], epoch: str = "") -> Sequence[News]:
        """See `Bus`."""
        self._life.check()
        return await self._shared.present(channel, subjects, epoch)

    async def told(self, channel: str, told: Sequence[Told]) -> None:
        """See `Bus`."""
        await self._shared.told(channel, told)

    async def vacate(self, channel: str) -> None:
        """See `Bus`."""
        self._life.check()
        await self._shared.vacate(channel)

    async def former(self) -> Sequence[tuple[str, str]]:
        """See `Bus`."""
        self._life.check()
        return await self._shared.former()

    async def bury(self, node: str, tell: Tell) -> None:
        """See `Bus`."""
        self._life.check()
        await self._shared.bury(node, tell)

    # --- for the backplane --------------------------------------------------------------------------------------------

    def attach(self, store: Store) -> None:
        """Speak through `store` from now on."""
        self._store = store
        self._shared.attach(store, self._options.command)
        self._life.attach(store)

    @property
    def failure(self) -> str | None:
        """Why this node may not act under its name; None: it may."""
        return self._life.failure

    def doubt(self) -> None:
        """The store may have lost what this node has said of its clients."""
        self._life.doubt()

    def proven(self, now: float) -> None:
        """What is told on `ng:ctl` is heard at this time of the loop's clock."""
        if self._peers.is_caught_up:
            self._whole_at = now

    def opened(self) -> None:
        """`ng:ctl` is listened to, perhaps again: what was kept meanwhile is read first."""
        self._peers.is_caught_up = False
        self._wake_reader.set()

    def receive(self, message: Control) -> None:
        """A message has come on `ng:ctl`."""
        now = asyncio.get_running_loop().time()
        if message.kind == BYE:
            self._peers.leave(message)
            return
        ready, is_behind = self._peers.hear(message, now)
        self._hand_on(ready)
        if is_behind:
            self._wake_reader.set()

    def unnumbered(self, kind: str, body: Mapping[str, Any]) -> Control:
        """A message outside the order of those that are told: a canary."""
        return Control(self.node, self.run, 0, self._kept, kind, body, False)

    def notice(self, message: Control) -> None:
        """An unnumbered message of another node: it is there, and it says how many it has kept."""
        if self._peers.notice(message, asyncio.get_running_loop().time()):
            self._wake_reader.set()

    def heard_of(self, since: float) -> set[str]:
        """Runs of nodes, as `node/run`, heard of within 10 s before `since`, when the bus last worked (N5)."""
        now = asyncio.get_running_loop().time()
        return self._peers.known(now, now - since + SILENT_SECONDS)

    async def known(self, since: float) -> set[str]:
        """The same, with those that have said to the store that they are there; raises `StoreError`.

        A node that has just started knows nobody yet. Those that have left, and former lives of nodes, are among them:
        nobody can speak for them.
        """
        return self.heard_of(since) | await self._life.recently()

    async def write(self) -> None:
        """For ever: tell what waits."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._write_some()

    async def read(self) -> None:
        """For ever: read what was kept, when something of it may be missing."""
        while True:
            await self._wake_reader.wait()
            self._wake_reader.clear()
            try:
                await self._read_kept()
            except StoreError as error:
                logger.info("what nodes have told could not be read: %s", error)
                await asyncio.sleep(self._options.backoff[0])
                self._wake_reader.set()

    async def beat(self) -> None:
        """Once a second: say that this node is there, and hear who is gone; raises `StoreError`."""
        await self._life.beat()
        self._peers.sweep(asyncio.get_running_loop().time())

    async def say_bye(self) -> None:
        """This node stops in order: nobody need wait for it."""
        store = self._store
        if store is None or store.failure is not None:
            return
        self._number += 1
        payload = write_control(Control(self.node, self.run, self._number, self._kept, BYE, {}, False))
        try:
            async with asyncio.timeout(BYE_PATIENCE):
                await store.run(TELL, (store.keys.kept,), *self._telling([_Waiting(payload, False)]))
                await self._life.end()
        except (StoreError, TimeoutError) as error:
            logger.info("the end of this node could not be told: %s", error or "no answer")

    # --- inside -------------------------------------------------------------------------------------------------------

    def _return(self) -> None:
        self._shared.forgotten()
        self._returned()

    def _forget(self) -> None:
        self.forgotten()
        self._missed()

    def _joined_store(self) -> Store:
        if self._store is None:
            raise NotSentError("the backplane has not started")
        return self._store

    def _telling(self, messages: Sequence[_Waiting]) -> list[Any]:
        told = [part for message in messages for part in (int(message.is_kept), message.payload)]
        return [self._joined_store().keys.control, int(KEPT_SECONDS), MOST_KEPT, *told]

    async def _write_some(self) -> None:
        store, loop = self._joined_store(), asyncio.get_running_loop()
        count = min(len(self._waiting), TOLD_AT_ONCE)
        some = [self._waiting[index] for index in range(count)]
        try:
            await store.run(TELL, (store.keys.kept,), *self._telling(some))
        except (NotSentError, RefusedError):
            self._backoff.failed()
            lost = [message for message in self._waiting if not message.is_kept]
            self._figures.details["bus/lost"] += len(lost)
            self._waiting = deque(message for message in self._waiting if message.is_kept)
            if await store.wait_up(store.keys.kept, loop.time() + 1.0):
                await self._backoff.pause()
        except StoreError as error:
            # Told again; who has heard it knows it by its number.
            logger.info("what this node tells has no answer that could be used: %s", error)
            self._figures.details["bus/resent"] += 1
            self._backoff.failed()
            await self._backoff.pause()
        else:
            self._backoff.succeeded()
            self._figures.details["bus/told"] += count
            for message in some:
                if self._waiting and self._waiting[0] is message:
                    self._waiting.popleft()

    async def _read_kept(self) -> None:
        store = self._joined_store()
        while True:
            page = await store.call(
                "kept", store.keys.kept, "XRANGE", store.keys.kept, self._cursor, "+", "COUNT", READ_AT_ONCE
            )
            self._peers.read(self._readable(fields[1] for _, fields in page), asyncio.get_running_loop().time())
            if page:
                self._cursor = b"(" + page[-1][0]
            if len(page) < READ_AT_ONCE:
                break
        self._hand_on(self._peers.release())
        now, before = asyncio.get_running_loop().time(), self._whole_at
        self._whole_at = now
        if before != -math.inf and now - before > KEPT_SECONDS - MARGIN_SECONDS:
            logger.warning("what nodes have told %.0f s long was not heard, and is not kept any more", now - before)
            self._missed()

    def _readable(self, payloads: Any) -> list[Control]:
        found = []
        for payload in payloads:
            try:
                found.append(read_control(payload, self._options.bus_message))
            except UnreadableControlError as error:
                self._figures.fault("unreadable", "kept")
                logger.warning("a kept message was dropped: %s", error)
        return found

    def _hand_on(self, messages: Sequence[Control]) -> None:
        for message in messages:
            heard = self._heard.get(message.kind)
            if heard is None:
                self._figures.details["bus/unheard"] += 1
                continue
            try:
                heard(message.node, message.body)
            except Exception:
                self._figures.fault("unreadable", "body")
                logger.exception("what node %s told (%s) could not be taken", message.node, message.kind)

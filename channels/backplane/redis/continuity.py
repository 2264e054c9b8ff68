"""Whether a log went on when the replication id of its master changed (N4-N6, hardening.md 5.1 and 5.2).

The script stores nothing on a changed id. This node then asks the others where they stand: if every one that was there
lately answers within 2 s, and the stored log has all these places with the very segments that the nodes have there,
nothing that anybody was told is lost, and the epoch is kept. In any other case it is rotated.
"""

import asyncio
import logging
import secrets
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, Protocol

from channels.backplane.redis.appending import Changed, Verdict
from channels.backplane.redis.errors import StoreError
from channels.backplane.redis.figures import RedisFigures
from channels.backplane.redis.replica import NOWHERE, Standing
from channels.backplane.redis.retired import Retired

logger = logging.getLogger(__name__)

ASK = "standing?"
ANSWER = "standing"
ASK_AGAIN = 0.25
"""Seconds between two questions: the connection of another node may be on its way back, too."""
CHANNELS_AT_ONCE = 500
MOST_CLAIMS = 20_000
REMEMBERED_QUESTIONS = 64
NOTICED_CHANGES = 16
"""Changes of a master of which it is known who was there."""


class Claims:
    """What this node has told publishers of channels that it does not follow: places that the store must still have.

    The newest `MOST_CLAIMS` are remembered. Of a channel that might be among those that were forgotten nothing can be
    said, which proves nothing.
    """

    def __init__(self, most: int = MOST_CLAIMS) -> None:
        self._most = most
        self._claims: OrderedDict[str, Standing] = OrderedDict()
        self._has_forgotten = False

    def acked(self, channel: str, standing: Standing) -> None:
        """A publisher of `channel` was told of `standing`."""
        self._claims[channel] = standing
        self._claims.move_to_end(channel)
        if len(self._claims) > self._most:
            self._claims.popitem(last=False)
            self._has_forgotten = True

    def of(self, channel: str) -> Standing | None:
        """The newest claim; `NOWHERE` if there is none, None if that cannot be said."""
        return self._claims.get(channel, None if self._has_forgotten else NOWHERE)


class Talk(Protocol):
    """The part of the bus that is needed."""

    node: str
    run: str

    def tell(self, kind: str, body: Mapping[str, Any], *, keep: bool = False) -> None: ...  # noqa: D102

    def listen(self, kind: str, heard: Callable[[str, Mapping[str, Any]], None]) -> None: ...  # noqa: D102


class _Round:
    """One question to the others, for all channels that came up meanwhile."""

    def __init__(self, nodes: set[str]) -> None:
        self.ask = secrets.token_hex(8)
        self.waits_for = nodes
        self.channels: dict[str, Changed] = {}
        self.standings: dict[str, list[Standing | None]] = {}
        self.is_complete = asyncio.Event()
        if not nodes:
            self.is_complete.set()

    def heard(self, who: str, standings: Mapping[str, Any]) -> None:
        if who not in self.waits_for:
            return
        self.waits_for.discard(who)
        for channel in self.channels:
            if channel in standings:
                self.standings.setdefault(channel, []).append(_standing(standings[channel]))
        if not self.waits_for:
            self.is_complete.set()


class Continuity:
    """Decides. `standing(channel)` is what this node may say. `heard_of()` and `known()` are who was there when the bus
    last worked, each as `node/run`, since what a run has told nobody else knows: the first as this node has heard it,
    the second as the store knows it besides, or `StoreError`, and then nothing is proven.

    A master is retired when this node asks about its successor, or answers for it. `left(channel, replid)` hears that
    another node has called the master of that id a former one, so that a connection that still leads there is left.
    """

    def __init__(
        self,
        bus: Talk,
        figures: RedisFigures,
        *,
        standing: Callable[[str], Standing | None],
        heard_of: Callable[[], set[str]],
        known: Callable[[], Awaitable[set[str]]],
        left: Callable[[str, str], None],
        patience: float,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._bus = bus
        self._figures = figures
        self._standing = standing
        self._heard_of = heard_of
        self._known = known
        self._left = left
        self._patience = patience
        self._rounds: dict[tuple[str, str], asyncio.Task[_Round]] = {}
        self._gathering: dict[tuple[str, str], dict[str, Changed]] = {}
        self._asked: dict[str, _Round] = {}
        self._answered: deque[str] = deque(maxlen=REMEMBERED_QUESTIONS)
        """Questions of others that are asked again until everybody has answered."""
        self._retired = Retired()
        self._masters: OrderedDict[str, set[str]] = OrderedDict()
        """Masters by their ids as they were found, and who was there before."""
        bus.listen(ASK, self._hear_question)
        bus.listen(ANSWER, self._hear_answer)

    def is_retired(self, channel: str, replid: str) -> bool:
        """Whether answers of the master of that id are believed no longer."""
        return self._retired.holds(channel, replid, self._loop.time())

    def is_former(self, channel: str, batch: str) -> bool:
        """Whether the master that stored the segment of this name is believed no longer."""
        return self._retired.wrote(channel, batch, self._loop.time())

    def found(self, replid: str, begun_at: float) -> None:
        """A command connection, begun at `begun_at` (clock of the loop), has found the master of that id."""
        self._notice(replid)
        if self._retired.found(replid, begun_at):
            logger.warning("the master %s was called a former one, and is found again", replid)

    async def decide(self, channel: str, changed: Changed) -> Verdict:
        """Keep or rotate; within `patience` seconds, and those of a round that is on its way already."""
        ids = (changed.old, changed.new)
        self._gathering.setdefault(ids, {})[channel] = changed
        while True:
            task = self._rounds.get(ids)
            if task is None or task.done():
                task = self._rounds[ids] = asyncio.create_task(self._ask(ids))
                task.add_done_callback(partial(self._asked_all, ids))
            done = await asyncio.shield(task)
            if channel in done.channels:
                return self._verdict(channel, changed, done)

    async def stop(self) -> None:
        """Ask nobody any longer."""
        for task in list(self._rounds.values()):
            task.cancel()
        await asyncio.gather(*self._rounds.values(), return_exceptions=True)

    # --- asking -------------------------------------------------------------------------------------------------------

    async def _ask(self, ids: tuple[str, str]) -> _Round:
        await asyncio.sleep(0)  # whoever else meets the same change in this turn of the loop asks with it
        old, new = ids
        self._notice(new)
        until = self._loop.time() + self._patience
        this = _Round(await self._to_be_asked(old, until))
        gathered = self._gathering[ids]
        for channel in list(islice(gathered, CHANNELS_AT_ONCE)):
            this.channels[channel] = gathered.pop(channel)
            self._retired.add(channel, old, self._loop.time())
        if not gathered:
            del self._gathering[ids]
        self._asked[this.ask] = this
        body = {"ask": this.ask, "old": old, "channels": list(this.channels)}
        try:
            async with asyncio.timeout_at(until):
                while not this.is_complete.is_set():
                    self._bus.tell(ASK, body)
                    try:
                        async with asyncio.timeout(ASK_AGAIN):
                            await this.is_complete.wait()
                    except TimeoutError:
                        continue
        except TimeoutError:
            logger.warning("no word from %s about the change of the master", ", ".join(sorted(this.waits_for)))
        finally:
            del self._asked[this.ask]
        return this

    def _asked_all(self, ids: tuple[str, str], task: asyncio.Task[_Round]) -> None:
        if self._rounds.get(ids) is task:  # else another has begun since this one ended
            del self._rounds[ids]

    async def _to_be_asked(self, old: str, until: float) -> set[str]:
        while True:
            try:
                return await self._known() | self._were_there(old)
            except StoreError as error:
                if self._loop.time() + ASK_AGAIN > until:
                    logger.warning("nobody can be asked about the change of the master: %s", error)
                    return {"unknown nodes"}
            await asyncio.sleep(ASK_AGAIN)

    def _verdict(self, channel: str, changed: Changed, done: _Round) -> Verdict:
        standings = [self._standing(channel), *done.standings.get(channel, ())]
        claims: list[tuple[int, str]] = []
        keeps = not done.waits_for
        for standing in standings:
            if standing is None:
                keeps = False
            elif standing != NOWHERE:
                keeps = keeps and standing.epoch == changed.epoch
                claims.append((standing.head, standing.batch))
        if not keeps:
            claims.clear()
        self._figures.details["continuity/asked"] += 1
        return Verdict(keeps, changed.old, changed.new, list(dict.fromkeys(claims)))

    # --- being asked --------------------------------------------------------------------------------------------------

    def _hear_question(self, node: str, body: Mapping[str, Any]) -> None:
        ask, old, channels = body["ask"], body["old"], body["channels"]
        if not (isinstance(ask, str) and isinstance(old, str) and isinstance(channels, list)):
            raise TypeError("expected who asks, the former id, and channels")
        channels = [channel for channel in channels[:CHANNELS_AT_ONCE] if isinstance(channel, str)]
        told: dict[str, Sequence[object] | None] = {}
        is_news = ask not in self._answered
        if is_news:
            self._answered.append(ask)
        for channel in channels:
            if is_news:
                self._retired.add(channel, old, self._loop.time())
            standing = self._standing(channel)
            if standing != NOWHERE:
                told[channel] = None if standing is None else list(standing)
        self._bus.tell(ANSWER, {"ask": ask, "run": self._bus.run, "standings": told})
        for channel in channels if is_news else ():
            self._left(channel, old)

    def _hear_answer(self, node: str, body: Mapping[str, Any]) -> None:
        this, standings = self._asked.get(body["ask"]), body["standings"]
        if this is not None and isinstance(standings, dict):
            this.heard(f"{node}/{body['run']}", standings)

    # --- who was there ------------------------------------------------------------------------------------------------

    def _notice(self, replid: str) -> None:
        """Remember who was there before the master of this id was met: later some may be gone, with what they know."""
        if replid in self._masters:
            return
        self._masters[replid] = self._heard_of() if self._masters else set()
        if len(self._masters) > NOTICED_CHANGES:
            self._masters.popitem(last=False)

    def _were_there(self, old: str) -> set[str]:
        """Who was there at any change since the master `old` was met."""
        ids = list(self._masters)
        since = ids[ids.index(old) + 1 :] if old in self._masters else ids
        return {who for replid in since for who in self._masters[replid]}


def _standing(told: Any) -> Standing | None:
    """What a node says of itself; None if it cannot say, or says nothing that can be read."""
    match told:
        case [str(epoch), int(head), str(batch)]:
            return Standing(epoch, head, batch)
        case _:
            return None

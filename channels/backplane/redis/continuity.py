"""Whether a log went on when the replication id of its master changed (N4-N6, hardening.md 5.1 and 5.2).

The script stores nothing on a changed id. This node then asks the others where they stand: if every one that was there
lately answers within 2 s, and the stored log has all these places with the very segments that the nodes have there,
nothing that anybody was told is lost, and the epoch is kept. In any other case it is rotated.
"""

import asyncio
import logging
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import islice
from typing import Any, Protocol

from channels.backplane.redis.appending import Changed, Verdict
from channels.backplane.redis.errors import StoreError
from channels.backplane.redis.figures import RedisFigures
from channels.backplane.redis.replica import NOWHERE, Standing

logger = logging.getLogger(__name__)

ASK = "standing?"
ANSWER = "standing"
ASK_AGAIN = 0.25
"""Seconds between two questions: the connection of another node may be on its way back, too."""
CHANNELS_AT_ONCE = 500
MOST_CLAIMS = 20_000
RETIRED_IDS = 16


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

    def heard(self, node: str, standings: Mapping[str, Any]) -> None:
        if node not in self.waits_for:
            return
        self.waits_for.discard(node)
        for channel in self.channels:
            if channel in standings:
                self.standings.setdefault(channel, []).append(_standing(standings[channel]))
        if not self.waits_for:
            self.is_complete.set()


class Continuity:
    """Decides. `standing(channel)` is what this node may say; `known()` who was there when the bus last worked, or
    `StoreError`, and then nothing is proven.

    `retired(replid)` hears that the master of that id is believed no longer: this node has answered for its successor.
    """

    def __init__(
        self,
        bus: Talk,
        figures: RedisFigures,
        *,
        standing: Callable[[str], Standing | None],
        known: Callable[[], Awaitable[set[str]]],
        patience: float,
    ) -> None:
        self._bus = bus
        self._figures = figures
        self._standing = standing
        self._known = known
        self._patience = patience
        self._rounds: dict[tuple[str, str], asyncio.Task[_Round]] = {}
        self._gathering: dict[tuple[str, str], dict[str, Changed]] = {}
        self._asked: dict[str, _Round] = {}
        self._retired: OrderedDict[str, None] = OrderedDict()
        bus.listen(ASK, self._hear_question)
        bus.listen(ANSWER, self._hear_answer)

    def is_retired(self, replid: str) -> bool:
        """Whether answers of the master of that id are believed no longer."""
        return replid in self._retired

    async def decide(self, channel: str, changed: Changed) -> Verdict:
        """Keep or rotate; within `patience` seconds, and those of a round that is on its way already."""
        ids = (changed.old, changed.new)
        self._gathering.setdefault(ids, {})[channel] = changed
        while True:
            task = self._rounds.get(ids)
            if task is None:
                task = self._rounds[ids] = asyncio.create_task(self._ask(ids))
                task.add_done_callback(lambda _: self._rounds.pop(ids, None))
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
        old = ids[0]
        self._retire(old)
        try:
            this = _Round(await self._known())
        except StoreError as error:
            logger.warning("nobody can be asked about the change of the master: %s", error)
            this = _Round({"unknown nodes"})
        gathered = self._gathering[ids]
        for channel in list(islice(gathered, CHANNELS_AT_ONCE)):
            this.channels[channel] = gathered.pop(channel)
        if not gathered:
            del self._gathering[ids]
        self._asked[this.ask] = this
        body = {"ask": this.ask, "old": old, "channels": list(this.channels)}
        try:
            async with asyncio.timeout(self._patience):
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
        self._retire(old)
        told: dict[str, Sequence[object] | None] = {}
        for channel in channels[:CHANNELS_AT_ONCE]:
            standing = self._standing(channel)
            if standing != NOWHERE:
                told[channel] = None if standing is None else list(standing)
        self._bus.tell(ANSWER, {"ask": ask, "standings": told})

    def _hear_answer(self, node: str, body: Mapping[str, Any]) -> None:
        this, standings = self._asked.get(body["ask"]), body["standings"]
        if this is not None and isinstance(standings, dict):
            this.heard(node, standings)

    def _retire(self, replid: str) -> None:
        self._retired[replid] = None
        if len(self._retired) > RETIRED_IDS:
            self._retired.popitem(last=False)


def _standing(told: Any) -> Standing | None:
    """What a node says of itself; None if it cannot say, or says nothing that can be read."""
    match told:
        case [str(epoch), int(head), str(batch)]:
            return Standing(epoch, head, batch)
        case _:
            return None

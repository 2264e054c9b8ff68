"""Appends to durable logs between their places and the disk: who waits for what, and what a failure takes back."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from channels.backplane import Done, Placed, Result
from channels.callbacks import tell
from channels.dedup import MidKey, MidWindow
from channels.errors import BrokerError, OutcomeUnknown
from channels.publication import Position

Finish = Mapping["Placing | None", BrokerError]
"""Placings that failed, and why."""


class Placing:
    """Entries of one append that have their places and are not stored yet."""

    __slots__ = ("followers", "keys", "settle")

    def __init__(self, keys: Sequence[MidKey], settled: "Callable[[Placing, BrokerError | None], None]") -> None:
        self.keys = keys
        self.followers: list[Callable[[Placing, BrokerError | None], None]] = []
        self.settle: Callable[[BrokerError | None], None] = lambda error: settled(self, error)
        """To be told once: None when they are stored, else why they are not."""


class Single:
    """An append of which no part has a `mid`, which is most of them: nobody else waits for it."""

    __slots__ = ("_leave", "_placed", "position")

    def __init__(self, placed: Placed, leave: "Callable[[Single], bool]") -> None:
        self.position = Position("", 0)
        """That of the last entry, once it is known."""
        self._placed = placed
        self._leave = leave

    def settle(self, error: BrokerError | None) -> None:
        """To be told once: None when it is stored, else why it is not."""
        if self._leave(self):
            self._placed(self.position if error is None else error)


class Waiting:
    """One answer, and the placings it has to wait for; `finish` gets those that failed."""

    def __init__(self, awaited: Mapping[int, Placing], finish: Callable[[Finish], None]) -> None:
        self._left = set(awaited.values())
        self._errors: dict[Placing | None, BrokerError] = {}
        self._finish = finish

    def on(self, placing: Placing) -> None:
        """One more to wait for."""
        self._left.add(placing)

    def begin(self) -> None:
        """Finish when there is nothing left to wait for; perhaps now."""
        for placing in self._left:
            placing.followers.append(self._settled)
        if not self._left:
            self._finish(self._errors)

    def _settled(self, placing: Placing, error: BrokerError | None) -> None:
        self._left.discard(placing)
        if error is not None:
            self._errors[placing] = error
        if not self._left:
            self._finish(self._errors)


class Placings:
    """All placings of a node. `mids` remembers a `mid` from its place on, so that it is never given two."""

    def __init__(self, mids: MidWindow[str]) -> None:
        self._mids = mids
        self._by_key: dict[MidKey, Placing] = {}
        self._all: dict[Placing | Single, None] = {}
        self._batches: dict[MidKey, list[Done]] = {}
        self._ended = asyncio.Event()

    def begin(self, keys: Sequence[MidKey]) -> Placing:
        """Entries get their places, some under fresh `mid`s."""
        placing = Placing(keys, self._settled)
        self._all[placing] = None
        self._by_key.update(dict.fromkeys(keys, placing))
        return placing

    def single(self, placed: Placed) -> Single:
        """Entries get their places, none under a `mid`."""
        single = Single(placed, self._leave)
        self._all[single] = None
        return single

    def drop(self, placing: Placing | Single) -> None:
        """They got none after all, and nobody waits."""
        if isinstance(placing, Single):
            self._leave(placing)
        else:
            self._strike(placing)

    def of(self, key: MidKey) -> Placing | None:
        """What was placed under `key` and is not stored yet."""
        return self._by_key.get(key)

    async def end(self, patience: float) -> None:
        """Wait until everything is settled; what is not in time has an unknown outcome."""
        if self._all:
            self._ended.clear()
            try:
                async with asyncio.timeout(patience):
                    await self._ended.wait()
            except TimeoutError:
                for placing in list(self._all):
                    placing.settle(OutcomeUnknown("the node stops, and its log has not said what it stored"))

    # --- ids of batches (N3) ------------------------------------------------------------------------------------------

    def joins(self, key: MidKey, done: Done) -> bool:
        """Whether the batch of that id is on its way; `done` hears its results then."""
        running = self._batches.get(key)
        if running is not None:
            running.append(done)
        return running is not None

    def once(self, key: MidKey, done: Done, remember: Callable[[MidKey, Sequence[Result]], None]) -> Done:
        """What the first batch of that id is to call: it answers those that joined, too."""
        self._batches[key] = [done]

        def finish(results: Sequence[Result]) -> None:
            remember(key, results)
            tell(self._batches.pop(key), results)

        return finish

    # --- inside -------------------------------------------------------------------------------------------------------

    def _settled(self, placing: Placing, error: BrokerError | None) -> None:
        if placing not in self._all:
            return  # too late: it was answered at the end
        self._strike(placing)
        if error is not None:
            for key in placing.keys:
                self._mids.forget(key)
        tell(placing.followers, placing, error)

    def _leave(self, placing: Placing | Single) -> bool:
        """It waits no longer; False if it did not."""
        if placing not in self._all:
            return False
        del self._all[placing]
        if not self._all:
            self._ended.set()
        return True

    def _strike(self, placing: Placing) -> None:
        self._leave(placing)
        for key in placing.keys:
            if self._by_key.get(key) is placing:
                del self._by_key[key]

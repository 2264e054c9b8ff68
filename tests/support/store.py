"""A store that is elsewhere, and the backplane to it: what `channels.backplane.Backplane` asks of Redis, in memory.

One `Store`, one `RemoteBackplane` for each node. Everything takes a turn of the loop, as over a network. A test shuts
the store (`is_away`), cuts one node off (`is_cut`), or lets answers wait (`is_slow`, `answer`).
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from channels import _native
from channels.backplane import Done, Placed, Ready, Result
from channels.backplane.figures import Figures
from channels.dedup import digest
from channels.errors import LogUnavailable, MidConflict
from channels.publication import Position, Publication, Stored

if TYPE_CHECKING:
    from channels.backplane import Deliver, Recovered, Replicas

PATIENCE = 0.1
"""Stands for the 5 s of N11."""
WALL = 1_767_225_600.0


@dataclass
class StoredLog:
    """One channel: everything since the epoch began, and the `mid`s."""

    epoch: str
    entries: list[bytes] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)
    forgotten: int = 0
    """Entries at the beginning that the store does not keep any more."""
    mids: dict[tuple[str, str], tuple[bytes, str]] = field(default_factory=dict)

    @property
    def head(self) -> Position:
        return Position(self.epoch, len(self.entries))


class Store:
    """What all nodes share."""

    def __init__(self) -> None:
        self.logs: dict[str, StoredLog] = {}
        self.nodes: list[RemoteBackplane] = []
        self.is_away = False
        self.calls: list[tuple[str, int]] = []
        """(channel, entries) of each append."""
        self._epochs = count(1)

    def log(self, channel: str) -> StoredLog:
        return self.logs.setdefault(channel, StoredLog(self._epoch()))

    def append(self, channel: str, entries: Sequence[bytes]) -> Position:
        """-> position of the last"""
        log = self.log(channel)
        first = len(log.entries) + 1
        log.entries += entries
        self.calls.append((channel, len(entries)))
        for node in self.nodes:
            node.hear(channel, log.epoch, first, b"".join(entries))
        return log.head

    def lose(self, channel: str) -> None:
        """As FLUSHALL does: nothing is left, and another history begins."""
        self.logs[channel] = StoredLog(self._epoch())

    def events(self, channel: str) -> list[tuple[str, bytes]]:
        """Name and data of each entry."""
        entries = [_native.decode_entries(entry)[0] for entry in self.log(channel).entries]
        return [(entry[0], entry[1]) for entry in entries]

    def _epoch(self) -> str:
        return f"s{next(self._epochs):04x}"


class RemoteBackplane:
    """`Backplane` of one node."""

    is_local = False
    is_alone = False

    def __init__(self, store: Store, *, max_signals: int = 256, patience: float = PATIENCE) -> None:
        self.store = store
        self.max_signals = max_signals
        self.figures = Figures()
        self.is_cut = False
        self.is_slow = False
        self.waiting: deque[Callable[[], None]] = deque()
        self.asked: list[tuple[str, Position | None, bool]] = []
        """What `follow` was asked."""
        self.unfollowed: list[str] = []
        self.following: set[str] = set()
        self._patience = patience
        self._replicas: Replicas | None = None
        self._is_stopped = False

    async def start(self, deliver: "Deliver", replicas: "Replicas") -> None:
        self._replicas = replicas
        self.store.nodes.append(self)
        for followed in list(replicas.replicas()):
            if followed.is_fixed:
                self.fill(followed.channel)

    async def stop(self) -> None:
        self._is_stopped = True
        if self in self.store.nodes:
            self.store.nodes.remove(self)

    def append(
        self, channel: str, publications: Sequence[Publication], done: Done, batch_id: str | None = None
    ) -> None:
        self._when_there(
            partial(self._append, channel, publications, done), lambda error: done([error] * len(publications))
        )

    def append_signals(self, channel: str, batch: "_native.PublishBatch | _native.SignalBatch", done: Placed) -> None:
        assert len(batch) <= self.max_signals
        self._when_there(lambda: done(self.store.append(channel, batch.encode_entries(WALL))), done)

    append_publishes = append_signals

    def follow(self, channel: str, wanted: Position | None, done: Ready, *, is_proof: bool = False) -> bool:
        self.asked.append((channel, wanted, is_proof))
        if channel in self.following and not self.is_slow:
            head = self.replicas.replica(channel).position
            if wanted is None and self.failure is None:
                return True
            if wanted is not None and head.epoch == wanted.epoch and head.offset >= wanted.offset:
                return True
        self._when_there(partial(self._catch_up, channel, wanted, done, is_proof=is_proof), done)
        return False

    def unfollow(self, channel: str) -> None:
        self.unfollowed.append(channel)
        self.following.discard(channel)

    def end_epoch(self, channel: str, at: float) -> None:
        if self.store.log(channel).begun <= at:
            self.store.lose(channel)
            self.figures.rotations[channel, "apart"] += 1

    @property
    def outage(self) -> str | None:
        return self.failure

    @property
    def failure(self) -> str | None:
        return "the store is away" if self.is_away else None

    @property
    def is_away(self) -> bool:
        return self.store.is_away or self.is_cut

    def recover(self, channel: str, entries: "Sequence[Recovered]") -> None:
        """The store remembers."""

    def sweep(self, now: float) -> None:
        """Nothing is ever forgotten here."""

    def statistics(self) -> dict[str, int]:
        names = ("stored", "duplicates", "conflicts", "refused", "mids", "mids_refused", "mids_forgotten")
        return dict.fromkeys((*names, "batches_refused"), 0)

    # --- for tests ----------------------------------------------------------------------------------------------------

    @property
    def replicas(self) -> "Replicas":
        assert self._replicas is not None
        return self._replicas

    def answer(self, number: int = 1) -> None:
        """Let so many of what waits go on."""
        for _ in range(number):
            self.waiting.popleft()()

    def heal(self) -> None:
        """The node is back, and reads what it has missed."""
        self.is_cut = False
        for channel in list(self.following):
            self.fill(channel)

    def hear(self, channel: str, epoch: str, first: int, entries: bytes) -> None:
        """A segment of the bus; what is not next is read from the store instead (N7)."""
        if channel not in self.following or self.is_away:
            return
        if self.replicas.replica(channel).position == (epoch, first - 1):
            self.replicas.apply(channel, epoch, first, entries)
        else:
            self.fill(channel)

    def fill(self, channel: str) -> None:
        """Hold what the store holds (N8, N13)."""
        if self.is_away:
            return
        self.following.add(channel)
        log, here = self.store.log(channel), self.replicas.replica(channel)
        position = here.position
        if position.epoch != log.epoch or position.offset < log.forgotten:
            position = Position(log.epoch, log.forgotten)
            self.replicas.begin(channel, position)
        missing = log.entries[position.offset :]
        if missing:
            self.replicas.apply(channel, log.epoch, position.offset + 1, b"".join(missing))
        if here.last_per_key and log.forgotten:
            newest = {_native.decode_entries(one)[0][2]: (at, one) for at, one in enumerate(log.entries, 1)}
            self.replicas.restore(channel, sorted(newest.values()))

    # --- inside -------------------------------------------------------------------------------------------------------

    def _when_there(self, work: Callable[[], None], refuse: Callable[[Any], None]) -> None:
        if self._is_stopped:
            refuse(LogUnavailable("stopped"))
        elif self.is_slow:
            self.waiting.append(lambda: self._attempt(work, refuse))
        elif self.is_away:
            asyncio.get_running_loop().call_later(self._patience, self._attempt, work, refuse)
        else:
            asyncio.get_running_loop().call_soon(self._attempt, work, refuse)

    def _attempt(self, work: Callable[[], None], refuse: Callable[[Any], None]) -> None:
        if self._is_stopped or self.is_away:
            refuse(LogUnavailable("the store is away"))
        else:
            work()

    def _append(self, channel: str, publications: Sequence[Publication], done: Done) -> None:
        results: list[Result | None] = []
        fresh: list[Publication] = []
        log = self.store.log(channel)
        for one in publications:
            content = digest(one.event, one.key, one.tags, one.data)
            known = None if one.mid is None else log.mids.get((one.subject, one.mid))
            if known is not None and known[0] != content:
                results.append(MidConflict("another content", channel=channel))
            elif known is not None:
                results.append(Stored(known[1], duplicate=True))
            else:
                fresh.append(one)
                results.append(None)
                if one.mid is not None:
                    place = Position(log.epoch, len(log.entries) + len(fresh))
                    log.mids[one.subject, one.mid] = content, str(place)
        first = len(log.entries) + 1
        if fresh:
            entries = [replace(one).entry for one in fresh]
            self.store.append(channel, _native.encode_entries(entries, WALL))
        places = count(first)
        done([Stored(f"{log.epoch}:{next(places)}") if result is None else result for result in results])

    def _catch_up(self, channel: str, wanted: Position | None, done: Ready, *, is_proof: bool) -> None:
        head = self.store.log(channel).head
        if is_proof and wanted is not None and head.epoch == wanted.epoch and head.offset < wanted.offset:
            self.store.lose(channel)
            self.figures.rotations[channel, "token"] += 1
        self.fill(channel)
        done(None)

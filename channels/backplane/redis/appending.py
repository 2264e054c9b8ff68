"""The call of the append script (N2, N3): what it is told, and what it answers."""

import math
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgpack  # type: ignore[import-untyped]

from channels.backplane import BATCH_SECONDS, Followed
from channels.backplane.redis.errors import FailedError
from channels.backplane.redis.options import RedisOptions
from channels.backplane.redis.replica import Standing
from channels.backplane.redis.scripts import APPEND
from channels.backplane.redis.store import Store

MAX_KEYS = 100_000
"""Keys whose newest entry a channel keeps (S6); those beyond `RedisOptions.newest_bytes` go as well."""

WINDOW_MS = int(BATCH_SECONDS * 1_000)


class Answer(NamedTuple):
    """What was stored: `kept` entries from `first` on; `repeats` by index: a position, or nothing for a conflict."""

    epoch: str
    first: int
    kept: int
    head: int
    why: str
    """Why the epoch was rotated; empty if it was not."""
    replid: str
    """Of the master that has answered."""
    repeats: Mapping[int, str]
    batch: str = ""
    """The name of the segment that holds them."""
    before: str = ""
    """That of the segment before it; empty if there is none."""
    left: int = 0
    """Keys whose newest entry was let go, since there were too many of them or too much."""


class Changed(NamedTuple):
    """The master has another replication id than the one that wrote `meta`: nothing was stored (N4)."""

    old: str
    new: str
    epoch: str
    head: int
    batch: str


class Late:
    """A later call of this node was executed before: nothing was stored, nor will be."""


class Verdict(NamedTuple):
    """What was found about a changed replication id (N5); `claims`: (head, batch id) that the log has to confirm."""

    keeps: bool
    old: str
    new: str
    claims: Sequence[tuple[int, str]] = ()


class Batch(NamedTuple):
    """Entries on their way: what is sent again is the same to the byte."""

    name: str
    fence: int
    length: int
    entries: bytes
    mids: Sequence[tuple[int, str, bytes]] = ()
    """(index, key in Redis, digest of the content)"""
    keys: Sequence[tuple[int, str, bool]] = ()
    """(index, key of the entry, whether it takes the key out), for a channel that keeps the last entry per key."""
    is_named: bool = False
    """By its caller, who may repeat the call. Else only this node does, and of a channel only its last one."""


EMPTY = Batch("", 0, 0, b"")


def random_epoch() -> str:
    """A name that comes never again: 10 of 64 characters, as the plane draws them."""
    return secrets.token_urlsafe(9)[:10]


class Appending:
    """Calls the script. `epochs` draws fresh names, `monotonic` says the time in seconds."""

    def __init__(
        self,
        store: Store,
        options: RedisOptions,
        run: str,
        epochs: Callable[[], str] = random_epoch,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._options = options
        self._run = run
        self._monotonic = monotonic
        self._apart: dict[str, float] = {}
        """When this node last took entries without the store, by channel, until the store knows of it."""
        self.epochs = epochs
        self.is_retired: Callable[[str, str], bool] = lambda *_: False
        """Whether the master of a replication id is believed no longer of a channel."""

    def end_epoch(self, channel: str, at: float) -> None:
        """Up to the monotonic time `at` this node took entries of `channel` without the store.

        An epoch that was there before does not hold them: the next append of any kind, an empty one too, ends it.
        """
        self._apart[channel] = max(at, self._apart.get(channel, at))

    def is_to_end(self, channel: str) -> bool:
        """Whether the store has not been told yet, so that nothing of its present epoch may be shown."""
        return channel in self._apart

    def ttl(self, limits: Followed) -> int:
        """Seconds that the keys of a channel of a namespace stay untouched; 0 for others (N18)."""
        return 0 if limits.is_fixed else math.ceil(limits.seconds + self._options.slack)

    async def append(
        self, limits: Followed, standing: Standing, batch: Batch, verdict: Verdict | None = None, *, force: str = ""
    ) -> Answer | Changed | Late:
        """Store `batch`; raises `StoreError`. `force`: an epoch that is to end, if it is still the current one."""
        keys, channel = self._store.keys, limits.channel
        meta = keys.meta(channel)
        decided = ("", "", "") if verdict is None else ("keep" if verdict.keeps else "rotate", verdict.old, verdict.new)
        claims = () if verdict is None else verdict.claims
        fence = keys.fence(channel, self._run)
        apart = self._apart.get(channel)
        reply = await self._store.run(
            APPEND,
            (
                meta,
                keys.log(channel),
                keys.last(channel),
                keys.live(channel),
                fence,
                keys.batch(channel, batch.name) if batch.is_named else fence,
                *(key for _, key, _ in batch.mids),
            ),
            self._options.node,
            self.epochs(),
            batch.name,
            batch.fence,
            *standing,
            self._store.replid(meta),
            *decided,
            force,
            "" if apart is None else int((self._monotonic() - apart) * 1_000),
            self._store.publish,
            limits.max_entries,
            limits.max_bytes,
            int(limits.seconds * 1_000),
            self.ttl(limits),
            WINDOW_MS,
            MAX_KEYS,
            self._options.newest_bytes,
            batch.length,
            batch.entries,
            len(batch.mids),
            len(batch.keys),
            len(claims),
            *(part for index, _, content in batch.mids for part in (index, content)),
            *(part for index, key, removes in batch.keys for part in (index, key, int(removes))),
            *(part for claim in claims for part in claim),
        )
        answer = _read(reply)
        is_done = reply[0] == b"stored" and not self.is_retired(channel, reply[2].decode())
        if is_done and self._apart.get(channel) == apart:
            self._apart.pop(channel, None)
        return answer


def _read(reply: Sequence[Any]) -> Answer | Changed | Late:
    kind = reply[0]
    if kind == b"late":
        return Late()
    if kind == b"changed":
        old, new, epoch, head, batch = (part.decode() for part in reply[1:])
        return Changed(old, new, epoch, int(head), batch)
    if kind not in (b"stored", b"known"):
        raise FailedError(f"expected an answer of the append script, came {kind!r}")
    epoch, first, kept, head, why, repeats, *rest = msgpack.unpackb(reply[1])
    return Answer(epoch, int(first), kept, int(head), why, reply[2].decode(), dict(repeats), *rest)

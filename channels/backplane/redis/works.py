"""Requests to append, and what several of them become on their way: one batch, whose answer is theirs."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from channels._native import decode_entries, encode_entries, is_null
from channels.backplane import Done, Placed, Result
from channels.backplane.redis.appending import Answer, Batch
from channels.backplane.redis.keys import Keys
from channels.channel import PRESENCE
from channels.dedup import MID_CONFLICT, fingerprint
from channels.errors import BrokerError, MidConflict
from channels.publication import Entry, Position, Publication, Stored

if TYPE_CHECKING:
    from channels.backplane import Followed

logger = logging.getLogger(__name__)

ENTRY_OVERHEAD = 64
"""Bytes that an entry takes beside its texts, at most."""

Mid = tuple[int, str, bytes]
Key = tuple[int, str, bool]


class _Work:
    """What requests have in common. `size`: bytes, about; `sent`: the append that it goes with."""

    __slots__ = ("batch_id", "count", "deadline", "is_answered", "sent", "size")

    def __init__(self, count: int, size: int, deadline: float, batch_id: str | None) -> None:
        self.count = count
        self.size = size
        self.deadline = deadline
        self.batch_id = batch_id
        self.sent: Sent | None = None
        self.is_answered = False


class Publications(_Work):
    """`Backplane.append`."""

    __slots__ = ("_done", "_publications")

    def __init__(self, publications: Sequence[Publication], done: Done, deadline: float, batch_id: str | None) -> None:
        size = sum(len(one.data) + len(one.tags or b"") + ENTRY_OVERHEAD for one in publications)
        super().__init__(len(publications), size, deadline, batch_id)
        self._publications = publications
        self._done = done

    def entries(self, ts: float) -> list[bytes]:
        """As `encode_entries` makes them; `ValueError` if that cannot be."""
        return encode_entries([one.entry for one in self._publications], ts)

    def mids(self, keys: Keys, first: int) -> list[Mid]:
        """Those that carry one; the first entry is number `first` of its batch."""
        return [
            (first + at, keys.mid(one.channel, one.subject, one.mid), fingerprint(one))
            for at, one in enumerate(self._publications)
            if one.mid is not None
        ]

    def named(self, entries: Sequence[bytes]) -> list[Entry]:
        """The entries, readable."""
        return [one.entry for one in self._publications]

    def answer(self, results: Sequence[Result]) -> None:
        """Tell, once."""
        if self.is_answered:
            return
        self.is_answered = True
        try:
            self._done(results)
        except Exception:
            logger.exception("what was to be done after storing failed")

    def refuse(self, error: BrokerError) -> None:
        """Tell, once, that there are no places."""
        self.answer([error] * self.count)


class Together(_Work):
    """`Backplane.append_signals` and `append_publishes`."""

    __slots__ = ("_done", "_entries")

    def __init__(self, entries: list[bytes], done: Placed, deadline: float) -> None:
        super().__init__(len(entries), sum(map(len, entries)), deadline, None)
        self._entries = entries
        self._done = done

    def entries(self, ts: float) -> list[bytes]:
        """As `encode_entries` of the batch made them."""
        return self._entries

    def mids(self, keys: Keys, first: int) -> list[Mid]:
        """They carry none."""
        return []

    def named(self, entries: Sequence[bytes]) -> list[Entry]:
        """The entries, readable: only where a channel keeps the last one per key."""
        return [one[:-1] for one in decode_entries(b"".join(entries))]

    def answer(self, results: Sequence[Result]) -> None:
        """Tell the place of the last one, once."""
        last = results[-1]
        self._tell(_position(last) if isinstance(last, Stored) else last)

    def refuse(self, error: BrokerError) -> None:
        """Tell, once, that there are no places."""
        self._tell(error)

    def _tell(self, placed: Position | BrokerError) -> None:
        if self.is_answered:
            return
        self.is_answered = True
        try:
            self._done(placed)
        except Exception:
            logger.exception("what was to be done after storing failed")


Work = Publications | Together


class Sent:
    """Works that are one append, and whether it may have been done."""

    __slots__ = ("batch", "is_sending", "is_uncertain", "works")

    def __init__(self, batch: Batch, works: Sequence[Work]) -> None:
        self.batch = batch
        self.works = works
        self.is_sending = False
        self.is_uncertain = False
        for work in works:
            work.sent = self

    @property
    def is_wanted(self) -> bool:
        """Somebody waits for the answer."""
        return not all(work.is_answered for work in self.works)

    @property
    def may_be_stored(self) -> bool:
        """It was sent, and nothing says that it was not done."""
        return self.is_sending or self.is_uncertain

    def shares(self, channel: str, answer: Answer) -> list[tuple[Work, list[Result]]]:
        """What each of the works is answered."""
        results = _results(channel, self.batch, answer)
        shares, at = [], 0
        for work in self.works:
            shares.append((work, results[at : at + work.count]))
            at += work.count
        return shares


class Packing:
    """Entries of works that become one batch."""

    def __init__(self, keys: Keys, limits: "Followed") -> None:
        self.works: list[Work] = []
        self._keys = keys
        self._limits = limits
        self._entries: list[bytes] = []
        self._mids: list[Mid] = []
        self._named: list[Key] = []

    def add(self, work: Work, ts: float) -> None:
        """One more; raises `ValueError`, and it is not among them, if it cannot be written."""
        entries = work.entries(ts)
        first, channel = len(self._entries), self._limits.channel
        self._mids += work.mids(self._keys, first)
        if self._limits.last_per_key:
            named = enumerate(work.named(entries), first)
            self._named += [(at, one[2] or one[0], _removes(channel, one)) for at, one in named]
        self._entries += entries
        self.works.append(work)

    def batch(self, name: str, fence: int) -> Batch:
        """All of them."""
        is_named = self.works[0].batch_id is not None
        return Batch(name, fence, len(self._entries), b"".join(self._entries), self._mids, self._named, is_named)


def kept_entries(batch: Batch, answer: Answer) -> bytes:
    """The entries that were stored."""
    if not answer.repeats:
        return batch.entries
    kept, at = [], 0
    for index in range(batch.length):
        end = at + 4 + int.from_bytes(batch.entries[at : at + 4], "little")
        if index not in answer.repeats:
            kept.append(batch.entries[at:end])
        at = end
    return b"".join(kept)


def _results(channel: str, batch: Batch, answer: Answer) -> list[Result]:
    results: list[Result] = []
    offset = answer.first
    for index in range(batch.length):
        place = answer.repeats.get(index)
        if place is None:
            results.append(Stored(f"{answer.epoch}:{offset}"))
            offset += 1
        elif place:
            results.append(Stored(place, duplicate=True))
        else:
            results.append(MidConflict(MID_CONFLICT, channel=channel))
    return results


def _removes(channel: str, entry: Entry) -> bool:
    """S6: whether the entry takes its key out of later snapshots."""
    if entry[0] == "leave" and (channel == "connections" or channel.endswith(PRESENCE)):
        return True
    return entry[1] == b"null" if len(entry) == 6 else is_null(entry[1], *entry[6][:2])


def _position(stored: Stored) -> Position:
    epoch, _, offset = stored.position.partition(":")
    return Position(epoch, int(offset))

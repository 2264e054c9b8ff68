"""The log of one channel, and where a subscription starts in it."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ..positions import Position

Message = dict[str, Any]


class Log:
    """What a channel holds: with `keep`, its newest entries only."""

    def __init__(self, epoch: str = "fake1", keep: int | None = None) -> None:
        self.epoch = epoch
        self.keep = keep
        self.entries: list[Message] = []
        # Entries that no filter lets through: stored, and owed to nobody.
        self.hidden: set[int] = set()
        self.trimmed = 0

    @property
    def end(self) -> int:
        """The offset of the newest entry."""
        return self.trimmed + len(self.entries)

    @property
    def head(self) -> str:
        """The position of the newest entry."""
        return self.at(self.end)

    def at(self, offset: int) -> str:
        """A position of this epoch."""
        return f"{self.epoch}:{offset}"

    def append(self, entry: Message, *, is_hidden: bool) -> None:
        """Store an entry; its offset follows from its place."""
        if is_hidden:
            self.hidden.add(self.end + 1)
        self.entries.append(entry)
        if self.keep is not None and len(self.entries) > self.keep:
            gone = len(self.entries) - self.keep
            del self.entries[:gone]
            self.trimmed += gone

    def after(self, offset: int) -> list[Message]:
        """The kept entries beyond an offset that are owed."""
        entries = self.entries[max(0, offset - self.trimmed) :]
        return [entry for entry in entries if entry["offset"] not in self.hidden]

    def newest(self, count: int) -> int:
        """The offset before the newest `count` owed entries (M24)."""
        owed = self.after(0)[-count:]
        return owed[0]["offset"] - 1 if owed else self.end

    def since(self, ts: float) -> int:
        """The offset before the first entry of that time or later."""
        return next((entry["offset"] - 1 for entry in self.entries if entry["ts"] >= ts), self.end)


class Begin(NamedTuple):
    """Where a subscription starts (`position` of the answer), and from which offset of the log it goes on."""

    position: str
    offset: int
    reason: str | None = None
    is_uncut: bool = False


def begin_at(log: Log, text: str) -> Begin:
    """Start at a position of a client (M25, P10, P11)."""
    place = Position.parse(text)
    if place.epoch != log.epoch:
        return Begin(text, log.trimmed, "epoch")
    if place.offset > log.end:
        return Begin(text, log.end, "epoch")
    if place.offset < log.trimmed:
        return Begin(text, log.trimmed, "retention")
    return Begin(text, place.offset)


def gap_of(log: Log, channel: str, begin: Begin) -> Message | None:
    """The gap before the replay, if something of it will not come (M48, M49)."""
    if begin.reason is None:
        return None
    place = Position.parse(begin.position)
    missed = None if begin.reason == "epoch" else begin.offset - place.offset
    to = log.at(begin.offset)
    return {
        "type": "gap",
        "channel": channel,
        "from": begin.position,
        "to": to,
        "missed": missed,
        "reason": begin.reason,
    }


def capped(begins: Mapping[str, tuple[Log, Begin]], most: int) -> dict[str, Begin]:
    """R9: the newest entries over all these channels together, the older ones under a gap of their channel."""
    owed = [
        (entry["ts"], channel, entry["offset"])
        for channel, (log, begin) in begins.items()
        for entry in log.after(begin.offset)
    ]
    kept = sorted(owed)[-most:]
    return {channel: _cut(log, begin, channel, owed, kept) for channel, (log, begin) in begins.items()}


def _cut(
    log: Log, begin: Begin, channel: str, owed: Iterable[tuple[float, str, int]], kept: Iterable[tuple[float, str, int]]
) -> Begin:
    mine = [offset for _, name, offset in owed if name == channel]
    left = [offset for _, name, offset in kept if name == channel]
    if len(mine) == len(left):
        return begin
    # Where several reasons hold, the gap names the first of epoch, retention, limit (M49).
    return begin._replace(offset=(min(left) - 1) if left else log.end, reason=begin.reason or "limit")

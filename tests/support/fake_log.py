"""What `FakePlane` keeps: logs, where subscriptions of them begin, and cursors."""

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from channels._native import Start
    from channels.publication import Entry


@dataclass
class FakeLog:
    """One log: entries as (offset, ts, key or None, JSON of the event message), oldest first."""

    channel: str
    epoch: str
    seconds: float
    max_bytes: int
    max_entries: int
    last_per_key: bool
    head: int = 0
    size: int = 0
    appended: int = 0
    lost_ts: float = float("-inf")
    """The latest time of an entry that was let go."""
    ring: list[tuple[int, float, str, bytes]] = field(default_factory=list)
    last: dict[str, tuple[int, float, str, bytes]] = field(default_factory=dict)

    @property
    def first(self) -> int:
        return self.ring[0][0] if self.ring else self.head + 1

    def begin(self, epoch: str, offset: int) -> None:
        """Stand there with nothing kept."""
        self.epoch, self.head, self.size = epoch, offset, 0
        self.ring, self.last = [], {}
        # Of what time that was which it never had, nobody knows here.
        self.lost_ts = float("inf" if offset else "-inf")

    def restore(self, offset: int, entry: "Entry", ts: float) -> None:
        """An entry that is the newest of its key, unless a newer one is known."""
        head, self.head, self.appended = self.head, offset - 1, self.appended - 1
        ring, size, known = self.ring, self.size, self.last.get(entry[2] or entry[0])
        self.ring = []
        if known is None or known[0] < offset:
            self.append(entry, ts)
        else:
            self.appended += 1
        self.head, self.ring, self.size = head, ring, size

    def append(self, entry: "Entry", ts: float) -> None:
        event, data, key, tags, traceparent, tracestate = entry[:6]
        self.head += 1
        self.appended += 1
        message: dict[str, Any] = {
            "type": "event",
            "channel": self.channel,
            "offset": self.head,
            "event": event,
            "ts": ts,
            "data": json.loads(data),
        }
        optional = {"key": key, "traceparent": traceparent, "tracestate": tracestate}
        message |= {name: value for name, value in optional.items() if value is not None}
        if tags is not None:
            message["tags"] = json.loads(tags)
        kept = (self.head, ts, key or event, json.dumps(message, separators=(",", ":")).encode())
        self.ring.append(kept)
        self.size += len(kept[3])
        if self.last_per_key:
            self.last.pop(kept[2], None)
            leaves = event == "leave" and (self.channel == "connections" or self.channel.endswith("/presence"))
            if data != b"null" and not leaves:
                self.last[kept[2]] = kept
        while self.size > self.max_bytes or len(self.ring) > self.max_entries:
            self.drop_oldest()
        self.sweep(ts)

    def drop_oldest(self) -> None:
        _, ts, _, message = self.ring.pop(0)
        self.lost_ts = max(self.lost_ts, ts)
        self.size -= len(message)

    def sweep(self, now: float) -> None:
        while self.ring and self.ring[0][1] < now - self.seconds:
            self.drop_oldest()

    def after(self, offset: int) -> list[tuple[int, float, str, bytes]]:
        return [entry for entry in self.ring if entry[0] > offset]

    def newest_of_each_key(self, offset: int) -> list[tuple[int, float, str, bytes]]:
        """What a round of conflation delivers after a place (S4)."""
        newest = self.last if self.last_per_key else {entry[2]: entry for entry in self.ring}
        return sorted(entry for entry in newest.values() if entry[0] > offset)

    def opening(self, start: "Start", *, is_latest: bool = False) -> "Opening":
        """Where a subscription starts, and the gap before it (M25, P10, P11). Where it is `latest` and the newest entry
        of each key is kept, nothing is missing within a history (S13).
        """
        match start:
            case "new":
                return self._plain(self.head)
            case "snapshot":
                return self._plain(0)
            case ("last", int(n)):
                return self._plain(max(self.head - n, self.first - 1, 0))
            case ("since", ts):
                return self._since(ts, keeps_keys=is_latest and self.last_per_key)
            case ("at", str(epoch), int(offset)):
                return self._at(epoch, offset, keeps_keys=is_latest and self.last_per_key)
        raise AssertionError(start)

    def _plain(self, offset: int) -> "Opening":
        return Opening(self, (self.epoch, offset), offset)

    def _since(self, since: float, *, keeps_keys: bool) -> "Opening":
        after = next((entry[0] - 1 for entry in self.ring if entry[1] >= since), self.head)
        if self.lost_ts < since:
            return Opening(self, (self.epoch, after), after, is_capped=True)
        if keeps_keys:
            kept = (entry[0] - 1 for entry in self.newest_of_each_key(0) if entry[1] >= since)
            return self._plain(min(next(kept, self.head), after))
        # How many are gone is gone with them.
        return Opening(self, (self.epoch, 0), after, "retention", is_capped=True, is_countless=True)

    def _at(self, epoch: str, offset: int, *, keeps_keys: bool) -> "Opening":
        if keeps_keys and epoch != self.epoch:
            return Opening(self, (epoch, offset), 0, "epoch")
        if keeps_keys and offset <= self.head:
            return self._plain(offset)
        if epoch == self.epoch and offset <= self.head:
            after = max(offset, self.first - 1)
            return Opening(self, (epoch, offset), after, "retention" if after > offset else None, is_capped=True)
        after = self.head if epoch == self.epoch else self.first - 1
        return Opening(self, (epoch, offset), after, "epoch", is_capped=True)

    def gap(self, start: str, after: int, reason: str) -> dict[str, Any]:
        return {
            "type": "gap",
            "channel": self.channel,
            "from": start,
            "to": f"{self.epoch}:{after}",
            "missed": None,
            "reason": reason,
        }


@dataclass
class Opening:
    """Where a subscription begins: the position told, the offset delivered after, why there is a gap between."""

    log: FakeLog
    told: tuple[str, int]
    after: int
    reason: str | None = None
    is_capped: bool = False
    is_countless: bool = False
    behind: int = field(init=False)
    """Entries from the position told to the head (M42); of a former history, from where its gap leads to."""

    def __post_init__(self) -> None:
        epoch, offset = self.told
        start = min(offset, self.log.head) if epoch == self.log.epoch else self.after
        self.behind = self.log.head - start

    @property
    def proven(self) -> tuple[str, int]:
        """Where a window begins: a place that was named beyond the head is none (P11)."""
        epoch, offset = self.told
        return (epoch, self.after) if epoch == self.log.epoch and offset > self.log.head else self.told

    def cut(self, kept: int) -> None:
        """Only the newest `kept` entries are replayed (R9)."""
        after = max(self.after, self.log.head - kept)
        if after > self.after:
            self.after, self.reason = after, self.reason or "limit"
            if self.told[0] != self.log.epoch:
                self.behind = self.log.head - after

    def gap(self) -> dict[str, Any] | None:
        if self.reason is None:
            return None
        epoch, offset = self.told
        missed = None if self.reason == "epoch" or self.is_countless else self.after - offset
        return self.log.gap(f"{epoch}:{offset}", self.after, self.reason) | {"missed": missed}


def cap_replay(openings: "Sequence[Opening]", cap: int) -> None:
    """One replay holds at most `cap` entries over all its channels: the newest by time, ties by channel name (R9)."""
    owed = [
        (-entry[1], opening.log.channel, -entry[0], at)
        for at, opening in enumerate(openings)
        for entry in opening.log.after(opening.after)
    ]
    kept = [at for *_, at in sorted(owed)[:cap]]
    for at, opening in enumerate(openings):
        opening.cut(kept.count(at))


@dataclass
class FakeCursor:
    """Where a subscription stands, and what of it may not be sent yet (S10)."""

    offset: int
    on_slow: str = "gap"
    is_latest: bool = False
    is_due_round: bool = False
    """What lies between it and the head of that moment is conflated (S3)."""
    is_due_snapshot: bool = False
    window: int | None = None
    acked: tuple[str, int] = ("", 0)
    unacked: list[int] = field(default_factory=list)

    @property
    def room(self) -> int | None:
        return None if self.window is None else max(0, self.window - len(self.unacked))

    def resize(self, window: int | None, epoch: str) -> None:
        """M26: what is under way stays counted; a window that is new has nothing under way."""
        if self.window is None:
            self.acked, self.unacked = (epoch, self.offset), []
        self.window = window

    def proven(self, epoch: str) -> str:
        """What a token may tell: with a window only what was acknowledged."""
        place = (epoch, self.offset) if self.window is None else self.acked
        return f"{place[0]}:{place[1]}"

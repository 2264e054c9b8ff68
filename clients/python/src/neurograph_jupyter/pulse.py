"""What the live view shows: events of the last minute in buckets, the newest ones as lines. No widget, no clock."""

from collections import deque
from collections.abc import Mapping
from typing import Any

from neurograph_ws_client import Event, Gap

from .tables import shown

BUCKET = 0.5
"""Seconds of one bar."""
BUCKETS = 120
LINES = 12
"""Newest events as lines."""
MAX_DATA = 120
"""Characters of the data of a line."""
_LEFT_OUT = frozenset({"payload", "is_novel", "neighbors", "vector", "node"})


class Pulse:
    """Bounded by the number of its buckets and lines."""

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.total = self.novel = self.missed = 0
        self._buckets: deque[list[int]] = deque(maxlen=BUCKETS)
        """[number of the bucket, events, novel ones], rising."""
        self._lines: deque[dict[str, Any]] = deque(maxlen=LINES)

    def add(self, item: Event[Any] | Gap, now: float) -> None:
        """An event or a gap that came at `now`, in seconds."""
        if isinstance(item, Gap):
            self.missed += item.missed or 0
            self._lines.append({"kind": "gap", "text": str(item)})
            return
        is_novel = isinstance(item.data, Mapping) and item.data.get("is_novel") is True
        self.total += 1
        self.novel += is_novel
        number = int(now / BUCKET)
        if not self._buckets or self._buckets[-1][0] < number:
            self._buckets.append([number, 0, 0])
        self._buckets[-1][1] += 1
        self._buckets[-1][2] += is_novel
        self._lines.append(_line(item, is_novel))

    def state(self, now: float, status: str) -> dict[str, Any]:
        """What the view draws, as JSON: bars of the last minute by their age, lines (newest first), totals."""
        current = int(now / BUCKET)
        bars = [
            [current - number, count, novel] for number, count, novel in self._buckets if current - number < BUCKETS
        ]
        return {
            "channel": self.channel,
            "status": status,
            "bucket": BUCKET,
            "buckets": BUCKETS,
            "bars": bars,
            "total": self.total,
            "novel": self.novel,
            "missed": self.missed,
            "lines": list(reversed(self._lines)),
        }


def _line(event: Event[Any], is_novel: bool) -> dict[str, Any]:
    return {
        "kind": "novel" if is_novel else "event",
        "time": shown("ts", event.ts),
        "event": event.event,
        "key": event.key or "",
        "text": _data(event.data)[:MAX_DATA],
    }


def _data(data: Any) -> str:
    if not isinstance(data, Mapping):
        return shown("data", data)
    text = data.get("payload", {}).get("text") if isinstance(data.get("payload"), Mapping) else None
    told = {name: value for name, value in data.items() if name not in _LEFT_OUT}
    members = "  ".join(f"{name} {shown(name, value)}" for name, value in told.items())
    return f"{text}  {members}" if isinstance(text, str) else members

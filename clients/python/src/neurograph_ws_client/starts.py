"""Where a subscription starts (M24)."""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Self

from .positions import Position


@dataclass(frozen=True, slots=True)
class Last:
    """The newest `n` entries that are still kept, then the live ones."""

    n: int


@dataclass(frozen=True, slots=True)
class Since:
    """The entries stored at a time or later: a datetime (a naive one is local time), or seconds like `event.ts`.

    The hub replays at most `limits.resume_events` of them and tells the rest as a gap (R9).
    """

    when: datetime | float

    @classmethod
    def ago(cls, seconds: float) -> Self:
        """That many seconds before now, by this machine's wall clock."""
        return cls(time.time() - seconds)

    @property
    def ts(self) -> float:
        """Seconds since 1970."""
        return self.when.timestamp() if isinstance(self.when, datetime) else float(self.when)


Start = Literal["new", "snapshot"] | Last | Since | str
"""`"new"`, `"snapshot"`, `Last(n)`, `Since(…)`, or a position like `"k3Fq:902"`."""

_EXPECTED = 'start: expected "new", "snapshot", Last(n) with n of at least 1, Since(…) or a position like "k3Fq:902"'


def wire_start(start: Start | None) -> Any:
    """The member `from` of a subscribe, or the `Position` to start at; None leaves it out. ValueError says the rest."""
    match start:
        case None | "new" | "snapshot":
            return start
        case Last(n) if isinstance(n, int) and n >= 1:
            return {"last": n}
        case Since() if start.ts - start.ts == 0.0:
            return {"since": start.ts}
        case str():
            try:
                return Position.parse(start)
            except ValueError as fault:
                raise ValueError(f"{_EXPECTED}, got {start!r:.80}") from fault
    raise ValueError(f"{_EXPECTED}, got {start!r}")

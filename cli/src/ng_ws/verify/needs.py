"""Which gaps have to be: what the run knows of the hub that it started, against what its subscribers were told.

A gap is honest and still a loss. A hub that tells one where nothing was too old and nothing too much breaks V12.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

from neurograph_ws_client.positions import Position

from .history import HistoryError

# Of the recoveries that can be granted whole, so many have to be (V13).
FLOOR = 0.99

Name = tuple[str, str]
"""A subscriber and a channel."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What a hub is set up to keep, and to replay at once (R9).

    `kept_events` and `kept_seconds` are kept for certain; a durable log survives each end of the process. A shared one
    is in Redis, and survives each end of a node.
    """

    resume_events: int
    kept_events: int
    kept_seconds: float
    is_durable: bool
    is_shared: bool = False

    @classmethod
    def from_line(cls, told: Any) -> Self | None:
        """The member `hub` of a `run`; None where the hub is not ours."""
        try:
            return None if told is None else cls(**told)
        except TypeError as fault:
            raise HistoryError(f"run.hub: expected {', '.join(cls.__slots__)}, got {told!r:.80}") from fault

    def as_line(self) -> dict[str, Any]:
        """As it is written down."""
        return asdict(self)


class Told(NamedTuple):
    """A gap as a subscriber was told it."""

    name: Name
    start: Position
    reason: str
    at: int


class Away:
    """When a subscription was last away, by number of line, and where it stood."""

    __slots__ = ("began", "ended", "place")

    def __init__(self) -> None:
        self.began = self.ended = 0
        self.place: Position | None = None

    def was_there(self, since: int) -> bool:
        """Whether it was up at that line, and has been ever since."""
        return self.ended < self.began < since


class Needs:
    """Follows who is away since when, and how much there can be to replay: bounds that err in favour of the hub."""

    def __init__(self) -> None:
        self.promise: Promise | None = None
        self._began_at: int | None = None
        self._restarts = self._losses = 0
        # No head lies beyond what was sent.
        self._sent: Counter[str] = Counter()
        self._away: dict[Name, Away] = {}

    # -- lines -------------------------------------------------------------------------------------------------------

    def run(self, line: Mapping[str, Any]) -> None:
        """The run begins."""
        self.promise = Promise.from_line(line.get("hub"))
        self._began_at = int(line["t"])

    def sent(self, channel: str) -> None:
        """A publisher is about to send."""
        self._sent[channel] += 1

    def began(self, name: Name, start: Position, number: int, *, lost: bool) -> None:
        """A subscription starts; one without its cursor where the hub had it last."""
        away = self._away.setdefault(name, Away())
        away.began = number
        if lost or away.place is None:
            away.place = start

    def ended(self, name: Name, cursor: Position | None, number: int) -> None:
        """It is away, and will ask for what comes after its cursor."""
        away = self._away.setdefault(name, Away())
        away.ended, away.place = number, cursor

    def restarted(self) -> None:
        """A hub's process ends and another begins."""
        self._restarts += 1

    def touched(self) -> None:
        """A fault of the store may cost what it held."""
        self._losses += 1

    # -- the question ------------------------------------------------------------------------------------------------

    def objection(self, gap: Told) -> str | None:
        """Why this gap need not have been; None where it is explained, or where nothing is known of the hub."""
        if self.promise is None:
            return None
        match gap.reason:
            case "epoch":
                return self._of_epoch(self.promise)
            case "limit":
                return self._of_limit(self.promise, gap.name)
            case "retention" | "slow":
                return self._of_retention(self.promise, gap)
        return "this hub takes positions and nothing was dropped on the way"

    def _of_epoch(self, promise: Promise) -> str | None:
        if promise.is_shared:
            text = f"its log is in Redis, to which nothing happened, and outlives each of {self._restarts} restarts"
            return None if self._losses else text
        if promise.is_durable:
            return f"its log is on disk, and outlives each of {self._restarts} restarts"
        return None if self._restarts else "the hub was never restarted"

    def _of_limit(self, promise: Promise, name: Name) -> str | None:
        """R9: one resume has one cap for all its channels."""
        subscriber, channel = name
        mine = self._away.setdefault(name, Away())
        owed = sum(
            self._beyond(other[1], away.place)
            for other, away in self._away.items()
            if other[0] == subscriber and (other[1] == channel or not away.was_there(mine.ended))
        )
        text = f"at most {owed} entries were missed, and {promise.resume_events} may be replayed"
        return None if owed > promise.resume_events else text

    def _of_retention(self, promise: Promise, gap: Told) -> str | None:
        owed = self._beyond(gap.name[1], gap.start)
        lasted = (gap.at - (gap.at if self._began_at is None else self._began_at)) / 1e9
        if owed > promise.kept_events or lasted > promise.kept_seconds:
            return None
        return f"at most {owed} entries in {lasted:.0f} s were stored since, and more are kept"

    def _beyond(self, channel: str, place: Position | None) -> int:
        return max(0, self._sent[channel] - (0 if place is None else place.offset))

"""Figures of a run that are reported and not judged."""

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from neurograph_ws_client.positions import Position

# Latencies kept of a run; later ones replace them in turn.
MAX_SAMPLES = 1_000_000


def share(values: Sequence[float], wanted: float) -> float:
    """The value below which a share of them lies; they are sorted."""
    return values[min(len(values) - 1, int(len(values) * wanted))] if values else 0.0


class Samples:
    """Times in nanoseconds, of which p50, p99 and the largest are told."""

    def __init__(self) -> None:
        self.count = 0
        self.most = 0
        self._kept = array("q")

    def add(self, time: int) -> None:
        """One more."""
        if self.count < MAX_SAMPLES:
            self._kept.append(time)
        else:
            self._kept[self.count % MAX_SAMPLES] = time
        self.count += 1
        self.most = max(self.most, time)

    def summary(self) -> dict[str, float]:
        """Milliseconds."""
        kept = sorted(self._kept)
        milliseconds = {"p50": share(kept, 0.5), "p99": share(kept, 0.99), "max": self.most}
        return {"count": self.count, **{name: round(value / 1e6, 3) for name, value in milliseconds.items()}}


@dataclass(slots=True)
class Healing:
    """A subscriber that has not yet come to the first entry that was stored after a fault had healed."""

    kind: str
    healed_at: int
    stood_in: str
    target: Position

    def is_reached(self, cursor: Position) -> bool:
        """Whether it has caught up; an epoch that is neither lies beyond both."""
        if cursor.epoch == self.target.epoch:
            return cursor.offset >= self.target.offset
        return cursor.epoch != self.stood_in


@dataclass(slots=True)
class Figures:
    """Counts and times of everything."""

    counts: Counter[str] = field(default_factory=Counter)
    gaps: Counter[str] = field(default_factory=Counter)
    gap_entries: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    recoveries: Counter[str] = field(default_factory=Counter)
    latency: Samples = field(default_factory=Samples)
    healing: dict[str, Samples] = field(default_factory=dict)
    # By the fault of the store that came last: times until an end of an epoch was told, and how many there were.
    told: dict[str, Samples] = field(default_factory=dict)
    rotations: Counter[str] = field(default_factory=Counter)
    # Recoveries with a gap that the run explains, and the share of the others that has to be granted, if any has to.
    excused: int = 0
    recovery_floor: float | None = None

    @property
    def recovery_rate(self) -> float | None:
        """The share of recoveries asked for that were granted without a gap; None where nobody asked."""
        asked = self.recoveries.total()
        return self.recoveries["granted"] / asked if asked else None

    @property
    def is_below_floor(self) -> bool:
        """Whether fewer recoveries were granted than have to be."""
        due = self.recoveries.total() - self.excused
        return self.recovery_floor is not None and self.recoveries["granted"] < self.recovery_floor * due

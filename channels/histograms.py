"""A histogram of fixed bounds, in the shape in which the native plane gives its own."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


class Histogram:
    """Counts per bound (the last one is beyond all bounds) and the sum of what was observed."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """One more."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def figures(self) -> dict[str, Any]:
        """`bounds`, `counts` (not cumulated), `sum`."""
        return {"bounds": self.bounds, "counts": list(self.counts), "sum": self.sum}


def quantile(figures: Mapping[str, Any], share: float) -> float | None:
    """The bound that `share` of the observations lies within; None without any, infinite beyond all bounds."""
    counts: Sequence[int] = figures["counts"]
    wanted, seen = share * sum(counts), 0
    if not wanted:
        return None
    for bound, count in zip((*figures["bounds"], float("inf")), counts, strict=True):
        seen += count
        if seen >= wanted:
            return float(bound)
    return float("inf")


def difference(after: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, Any]:
    """What was observed between two readings of one histogram."""
    if before is None:
        return dict(after)
    counts = [max(new - old, 0) for new, old in zip(after["counts"], before["counts"], strict=True)]
    return {"bounds": after["bounds"], "counts": counts, "sum": after["sum"] - before["sum"]}


def total(histograms: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The sum of at least one histogram of equal bounds."""
    first, *others = histograms
    counts = [sum(column) for column in zip(first["counts"], *(other["counts"] for other in others), strict=True)]
    return {"bounds": first["bounds"], "counts": counts, "sum": first["sum"] + sum(other["sum"] for other in others)}

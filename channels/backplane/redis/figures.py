"""What is counted about Redis, for /metrics and for operators. Plain data: whoever shows it gives it names."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import Any

SECONDS = (0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Histogram:
    """Counts per bound (the last one is beyond all bounds) and the sum of what was observed."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """One more."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def figures(self) -> dict[str, Any]:
        """`bounds`, `counts` (not cumulated), `sum`: the shape in which the native plane gives its own."""
        return {"bounds": self._bounds, "counts": list(self._counts), "sum": self._sum}


class Figures:
    """Everything that the parts of the backplane count."""

    def __init__(self) -> None:
        self.commands: dict[str, Histogram] = {}
        """`redis_command_seconds` by command."""
        self.canary = Histogram(SECONDS)
        """`canary_seconds`: from publish to receipt on the connection that listens."""
        self.batch_sizes = Histogram(SIZES)
        """`append_batch_size`: publications per append."""
        self.heals: Counter[str] = Counter()
        """Holes read, by channel; those of namespaces under the empty name."""
        self.rotations: Counter[str] = Counter()
        """Epochs that this node began, by reason: missing, replication, behind, two_pasts, damaged, proof, former."""
        self.continued: int = 0
        """Changes of the replication id after which continuity was proven."""
        self.unreadable: Counter[str] = Counter()
        """What could not be read and was dropped: message, entry, control, too_large."""
        self.outbox: Counter[str] = Counter()
        """What became of publications that were not simply stored: full, expired, unknown, resent, too_large."""
        self.reopened: Counter[str] = Counter()
        """Subscriptions opened anew, by reason."""
        self.failures: Counter[str] = Counter()
        """Faults of the command connection, by kind."""
        self.bus: Counter[str] = Counter()
        """Messages between nodes: told, heard, dropped, lost, repeated."""

    def command(self, name: str) -> Histogram:
        """The histogram of one command."""
        found = self.commands.get(name)
        if found is None:
            found = self.commands[name] = Histogram(SECONDS)
        return found

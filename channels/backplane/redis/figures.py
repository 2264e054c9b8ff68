"""What is counted about Redis: `BackplaneFigures`, and beside it what only an operator of this backplane looks for."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from channels.backplane.figures import ENTRIES, SECONDS
from channels.histograms import Histogram

MOST_CHANNELS = 10_000
"""Channels that are counted by name; of rooms there may be any number."""

Reported = str | int | float | bool | None


class RedisFigures:
    """Everything that the parts of the backplane count. What is true now is asked of them: the functions."""

    def __init__(self) -> None:
        self.canary_seconds = Histogram(SECONDS)
        self.command_seconds: dict[str, Histogram] = {}
        self.batch_sizes = Histogram(ENTRIES)
        self.heals: Counter[str] = Counter()
        self.rotations: Counter[tuple[str, str]] = Counter()
        """By channel and reason: missing, replication, behind, two_pasts, damaged, token, former, apart."""
        self.errors: Counter[str] = Counter()
        """redis, canary, epoch, partition, unreadable, unproven, too_large, outbox."""
        self.details: Counter[str] = Counter()
        """Finer than `errors`, and what is no error: `kind/reason`."""
        self.server: dict[str, Reported] = {}
        """What the server said of itself."""
        self.asks_up: Callable[[], bool] = lambda: False
        self.asks_outbox: Callable[[], int] = lambda: 0
        self.asks_lag: Callable[[], Mapping[str, int]] = dict
        self.asks_state: Callable[[], Mapping[str, Reported]] = dict

    @property
    def is_up(self) -> bool:
        """The command connection works now."""
        return self.asks_up()

    @property
    def outbox(self) -> int:
        """Publications and signals that wait now."""
        return self.asks_outbox()

    @property
    def lag(self) -> Mapping[str, int]:
        """By channel: head of the store minus own head, as far as there is any."""
        return self.asks_lag()

    @property
    def report(self) -> Mapping[str, Reported]:
        """For operators: the server, the breaker, the subscription, and `details`."""
        return {**self.server, **self.asks_state(), **self.details}

    def command(self, name: str, seconds: float) -> None:
        """A command took so long."""
        found = self.command_seconds.get(name)
        if found is None:
            found = self.command_seconds[name] = Histogram(SECONDS)
        found.observe(seconds)

    def healed(self, channel: str) -> None:
        """A hole was read."""
        self.heals[channel if channel in self.heals or len(self.heals) < MOST_CHANNELS else ""] += 1

    def rotated(self, channel: str, reason: str) -> None:
        """This node has ended an epoch."""
        key: Any = (channel, reason)
        self.rotations[key if key in self.rotations or len(self.rotations) < MOST_CHANNELS else ("", reason)] += 1
        self.errors["epoch"] += 1

    def fault(self, kind: str, reason: str, times: int = 1) -> None:
        """Something went wrong: `kind` is one of `errors`."""
        self.errors[kind] += times
        self.details[f"{kind}/{reason}"] += times

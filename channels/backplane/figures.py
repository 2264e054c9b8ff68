"""What a backplane counts, for `/metrics` and `/api/v1/status` (hardening.md section 8). Plain numbers, read at scrape.

A backplane in memory has nothing to tell and shows zeros. `channel` below is the name of a channel, rooms included: who
shows the figures groups them under configured names.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from channels.histograms import Histogram

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
ENTRIES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 1_024.0, 4_096.0)


class BackplaneFigures(Protocol):
    """Since the start, save where it says `now`."""

    @property
    def is_up(self) -> bool:
        """The command connection works now (`redis_up`)."""
        ...

    @property
    def canary_seconds(self) -> Histogram:
        """From publish to receipt, each second (N9)."""
        ...

    @property
    def command_seconds(self) -> Mapping[str, Histogram]:
        """By command (`redis_command_seconds`)."""
        ...

    @property
    def batch_sizes(self) -> Histogram:
        """Entries per append (`append_batch_size`)."""
        ...

    @property
    def outbox(self) -> int:
        """Publications and signals that wait now (`outbox_events`)."""
        ...

    @property
    def lag(self) -> Mapping[str, int]:
        """By channel: head of the store minus own head, now (`bus_lag_entries`); those without lag may be left out."""
        ...

    @property
    def heals(self) -> Mapping[str, int]:
        """By channel: holes read (`heals_total`)."""
        ...

    @property
    def rotations(self) -> Mapping[tuple[str, str], int]:
        """By (channel, reason): epochs ended (`epoch_rotations_total`)."""
        ...

    @property
    def errors(self) -> Mapping[str, int]:
        """By reason, all of layer `bus`: redis, canary, epoch, partition, unreadable, unproven, too_large, outbox."""
        ...

    @property
    def report(self) -> Mapping[str, str | int | float | bool | None]:
        """What an operator should know of the store: version, persistence, replicas; nothing secret."""
        ...


@dataclass(slots=True)
class Figures:
    """`BackplaneFigures` to be filled."""

    is_up: bool = False
    canary_seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    command_seconds: dict[str, Histogram] = field(default_factory=dict)
    batch_sizes: Histogram = field(default_factory=lambda: Histogram(ENTRIES))
    outbox: int = 0
    lag: dict[str, int] = field(default_factory=dict)
    heals: Counter[str] = field(default_factory=Counter)
    rotations: Counter[tuple[str, str]] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    report: dict[str, str | int | float | bool | None] = field(default_factory=dict)

    def command(self, name: str, seconds: float) -> None:
        """A command took so long."""
        self.command_seconds.setdefault(name, Histogram(SECONDS)).observe(seconds)

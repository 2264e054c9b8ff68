"""When the end of an epoch is told: V14, and the times that are reported of each kind of loss.

An epoch is known to be over from the first entry that is acknowledged in the next one. Whoever is connected has to be
told of it within `LATEST` that are free of faults; times are told from the end of the fault that was the last to touch
what is stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from neurograph_ws_client.positions import Position

from .figures import Figures, Samples
from .rules import Findings
from .schedule import LOSSES

# Nanoseconds.
LATEST = 10_000_000_000

Name = tuple[str, str]
"""A subscriber and a channel."""


class Evidence(NamedTuple):
    """The first entry that was acknowledged in an epoch."""

    at: int
    line: int


@dataclass(slots=True)
class Loss:
    """A fault of what is stored."""

    kind: str
    no: object
    begun_at: int
    healed_at: int | None = None


class Tidings:
    """Follows who is connected, which epochs there are, and when faults are over."""

    def __init__(self, findings: Findings, figures: Figures) -> None:
        self._findings = findings
        self._figures = figures
        self._evidence: dict[tuple[str, str], Evidence] = {}
        self._newest: dict[str, str] = {}
        self._up: dict[Name, int] = {}
        self._active: set[object] = set()
        self._calm_since = 0
        self._loss: Loss | None = None

    def fault(self, line: Mapping[str, Any]) -> None:
        """A fault begins or ends."""
        kind, no, at = str(line["kind"]), line["no"], int(line["t"])
        if line["do"] == "begun":
            self._active.add(no)
            if kind in LOSSES:
                self._loss = Loss(kind, no, at)
        elif line["do"] == "healed":
            self._active.discard(no)
            self._calm_since = at
            if self._loss is not None and self._loss.no == no:
                self._loss.healed_at = at

    def stored(self, channel: str, place: Position, at: int, line: int) -> None:
        """An entry was acknowledged there."""
        if self._newest.get(channel) == place.epoch or (channel, place.epoch) in self._evidence:
            return
        if channel in self._newest:
            self._figures.rotations["no loss" if self._loss is None else self._loss.kind] += 1
        self._newest[channel] = place.epoch
        self._evidence[channel, place.epoch] = Evidence(at, line)

    def began(self, name: Name, at: int) -> None:
        """A subscription is up."""
        self._up[name] = at

    def ended(self, name: Name) -> None:
        """It is away."""
        self._up.pop(name, None)

    def missed(self, name: Name, start: Position, end: Position, at: int, line: int) -> None:
        """A gap came."""
        since = self._up.get(name)
        if start.epoch == end.epoch or since is None:
            return
        loss = self._loss
        if loss is not None and since <= loss.begun_at:
            waited = 0 if loss.healed_at is None else at - loss.healed_at
            self._figures.told.setdefault(loss.kind, Samples()).add(waited)
        evidence = self._evidence.get((name[1], end.epoch))
        if evidence is None or self._active:
            return
        waited = at - max(evidence.at, self._calm_since, since)
        if waited > LATEST:
            text = f"{name[0]} on {name[1]} was told after {waited / 1e9:.1f} s that epoch {start.epoch} is over"
            self._findings.add("V14", text, evidence.line, line)
